"""Spans that read alike: where a dialect reads the words and the counts of the conventions and nothing else, spans with
equal words have equal readings, but for their usage and their response's id.

Whoever remembers the reading of one needs only the numbers of the next, which takes a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import OWN, PERSONAL
from otel_genai_cost.usage.conventions import SIGNS, SPELLING, TIERS
from otel_genai_cost.usage.leaves import INPUT_LEAVES
from otel_genai_cost.usage.read import Facts, Reading

__all__ = ["Shape", "depends_on_counts", "is_exemplary", "shape_of"]

_WORDS: Final = frozenset(
    {
        names.GEN_AI_OPERATION_NAME,
        names.GEN_AI_PROVIDER_NAME,
        names.GEN_AI_SYSTEM,
        names.GEN_AI_REQUEST_MODEL,
        names.GEN_AI_RESPONSE_MODEL,
        names.SERVER_ADDRESS,
        *TIERS,
    }
)
_TELLING: Final = (SIGNS - {names.GEN_AI_REQUEST_STREAM}) | {
    names.ERROR_TYPE,
    names.GEN_AI_USAGE_COST,
    names.GEN_AI_USAGE_AUDIO_CACHE_READ,
}
"""Attributes that say more than their words: a span with one of them is read for itself."""

Getter = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class Shape(NamedTuple):
    """The attribute names that spans have in common, and what of them to look at.

    `words` are the values that must be equal. `counts` are the parts of the usage, then the totals of input and output;
    `leaves` are those that they are counts of, in their order; `of_input` says which parts are of the input.
    """

    words: Getter
    counts: Getter
    leaves: tuple[str, ...]
    of_input: tuple[bool, ...]


def shape_of(present: Collection[str], *, personal: bool) -> Shape | None:
    """The shape of spans with these attributes; None where equal words do not make an equal reading.

    User, session and conversation ids are words only if they are kept.
    """
    is_open_stream = (
        names.GEN_AI_REQUEST_STREAM in present
        and names.GEN_AI_RESPONSE_FINISH_REASONS not in present
    )
    if is_open_stream or not _TELLING.isdisjoint(present):
        return None
    carriers = {name for name, label in OWN.items() if personal or label not in PERSONAL}
    words = sorted((_WORDS | carriers).intersection(present))
    inputs = [name for name in SPELLING.inputs if name in present]
    outputs = [name for name in SPELLING.outputs if name in present]
    if len(words) < 2 or not inputs or not outputs:
        return None
    parts: dict[str, str] = {}
    for name, leaf in SPELLING.parts.items():
        if name in present:
            parts.setdefault(leaf, name)
    return Shape(
        itemgetter(*words),
        itemgetter(*parts.values(), inputs[0], outputs[0]),
        (*parts, "input", "output"),
        tuple(leaf in INPUT_LEAVES for leaf in parts),
    )


def depends_on_counts(facts: Facts) -> bool:
    """Whether how counts are understood depends on the counts themselves."""
    return facts.cache_outside or facts.unproven or bool(facts.zero_lost)


def is_exemplary(reading: Reading) -> bool:
    """Whether a reading says nothing but words, counts and an id, as most do."""
    usual = Reading("response", *reading[1:8], tenant=reading.tenant, labels=reading.labels)
    return reading == usual and reading.usage.quality == "reported"
