"""From counts to usage: cut into leaves, judged by what is known of who counted, and by what else a span shows."""

from __future__ import annotations

from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, estimated, including_cache, may_use
from otel_genai_cost.usage.leaves import NO_USAGE, UNTRUSTED, Usage, partition
from otel_genai_cost.usage.read import PROVIDERS_OWN, Attributes, Facts
from otel_genai_cost.usage.seen import TOTALS
from otel_genai_cost.usage.values import is_sequence

__all__ = ["SIGNS", "hidden_tokens", "is_short", "is_unfinished", "shows_search", "usage_from"]

_INPUT_ONLY: Final = frozenset({"embeddings", "embedding", "rerank", "moderation"})
_COUNTED: Final = frozenset({"requests", "images", "characters", "pages", "media_ms"})
_SEARCH_SIGNS: Final = ("web_search", "server_tool_use", "google_search")
_SEARCH_PLACES: Final = (names.GEN_AI_TOOL_DEFINITIONS, names.GEN_AI_OUTPUT_MESSAGES)
SIGNS: Final = frozenset({names.GEN_AI_REQUEST_STREAM, *TOTALS, *_SEARCH_PLACES})
"""Attributes that may show that more was used than was counted."""

_SIGNS_MAX: Final = 64
_SIGNS_LIMIT: Final = 1_000_000


def usage_from(
    counts: Counts,
    facts: Facts,
    model: str | None,
    operation: str | None = None,
    error: str | None = None,
) -> Usage:
    """Cut counts into leaves, and judge how far they are to be trusted.

    Args:
        counts: totals and parts as the span has them.
        facts: what is known of who counted.
        model: decides whether a part that is not reported may have been used; None if unknown.
        operation: OpenTelemetry's; embeddings and the like have no output to count.
        error: the error that ended the call: counts of 0 then mean that nothing was counted.
    """
    if counts is NO_COUNTS:
        return NO_USAGE
    input_total, output_total, parts = counts
    if not input_total and not output_total and not any(parts.values()):
        return _nothing(counts, error)
    if facts is PROVIDERS_OWN:
        usage, is_doubtful = partition(input_total, output_total, parts), False
    else:
        usage, is_doubtful = _judged(counts, facts, model)
    is_whole = output_total is not None or _is_input_only(operation, model) or _is_counted(counts)
    if is_doubtful or not is_whole:
        return estimated(usage)
    return usage


def _judged(counts: Counts, facts: Facts, model: str | None) -> tuple[Usage, bool]:
    """The counts as leaves, and whether they may hide tokens of another price."""
    is_doubtful = False
    if facts.zero_lost:
        counts, is_doubtful = _without_zeros(counts, facts, model)
    if facts.cache_outside:
        counts = including_cache(counts)
    if facts.lost:
        lost = [leaf for leaf in facts.lost if leaf not in counts.parts]
        is_doubtful = is_doubtful or any([may_use(leaf, model) for leaf in lost])
    return partition(*counts), is_doubtful


def _is_counted(counts: Counts) -> bool:
    """Whether what was used is nothing that has tokens, such as images, or seconds of speech."""
    return counts.input_total is None and counts.parts.keys() <= _COUNTED


def _is_input_only(operation: str | None, model: str | None) -> bool:
    return operation in _INPUT_ONLY or (model is not None and "embed" in model)


def _nothing(counts: Counts, error: str | None) -> Usage:
    """0 of everything: no answer needs nothing, so these are nobody's numbers; after an error, none were asked for."""
    if error is not None:
        return NO_USAGE
    usage = partition(*counts)
    return UNTRUSTED if usage.quality == "reported" else usage


def _without_zeros(counts: Counts, facts: Facts, model: str | None) -> tuple[Counts, bool]:
    """Without the zeros that say nothing, and whether one of them may hide money."""
    hidden = [leaf for leaf in facts.zero_lost if counts.parts.get(leaf) == 0]
    if not hidden:
        return counts, False
    parts = {leaf: n for leaf, n in counts.parts.items() if leaf not in hidden}
    return counts._replace(parts=parts), any([may_use(leaf, model) for leaf in hidden])


def is_short(counts: Counts, facts: Facts, attributes: Attributes, total: object) -> bool:
    """Whether the span itself shows that more was used than was counted.

    Args:
        counts: totals and parts as the span has them.
        facts: what is known of who counted.
        attributes: the span's.
        total: the value of its total; None if it has none.
    """
    return bool(
        (facts.ends_with_a_reason and is_unfinished(attributes))
        or hidden_tokens(counts, total)
        or ("web_searches" not in counts.parts and shows_search(attributes))
    )


def hidden_tokens(counts: Counts, total: object) -> int:
    """Tokens that only a total counts, because input and output leave them out; 0 where there is no such total."""
    input_total, output_total, _ = counts
    if type(total) is not int or type(input_total) is not int:
        return 0
    return max(0, total - input_total - (output_total if type(output_total) is int else 0))


def is_unfinished(attributes: Attributes) -> bool:
    """Whether a stream ended without a finish reason: what it counted until then is less than what was billed."""
    return (
        names.GEN_AI_RESPONSE_FINISH_REASONS not in attributes
        and attributes.get(names.GEN_AI_REQUEST_STREAM) is True
    )


def shows_search(
    attributes: Attributes,
    places: tuple[str, ...] = _SEARCH_PLACES,
) -> bool:
    """Whether a call was offered, or used, the provider's own web search."""
    return any([_mentions_search(attributes[name]) for name in places if name in attributes])


def _mentions_search(text: object) -> bool:
    if is_sequence(text):
        return any([_mentions_search(each) for each in text[:_SIGNS_MAX] if type(each) is str])
    if type(text) is not str or len(text) > _SIGNS_LIMIT:
        return False
    return any([sign in text for sign in _SEARCH_SIGNS])
