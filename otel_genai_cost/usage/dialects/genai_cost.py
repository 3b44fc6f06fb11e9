"""The spans of our own instrumentors: the conventions' words, what the conventions have no word for, and what became of
the requests of a call.

A call of which no request left the process is none. An answer that was left before its end has used more than was
counted until then. A request that was given up on and made anew may have been billed beside the one that was answered.
The status of a reply says better what an error was than the name that a client gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import SPELLING, Conventional, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, estimated, spelled
from otel_genai_cost.usage.leaves import NO_USAGE, QUANTITY_LIMIT, Usage
from otel_genai_cost.usage.payload import split_write
from otel_genai_cost.usage.read import NOTHING, UNFINISHED, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import is_sequence, raw_of, word

__all__ = ["READS", "read"]

_SPELLING: Final = SPELLING._replace(
    parts={
        **SPELLING.parts,
        names.USAGE_WEB_SEARCHES: "web_searches",
        names.USAGE_REQUESTS: "requests",
        names.USAGE_IMAGES: "images",
        names.USAGE_CHARACTERS: "characters",
        names.USAGE_PAGES: "pages",
        names.USAGE_MEDIA_MS: "media_ms",
        names.USAGE_CITATION: "citation",
    }
)
_CONDITIONS: Final = {
    names.SPEED: "speed",
    names.INFERENCE_GEO: "inference_geo",
    names.SEARCH_CONTEXT_SIZE: "search_context_size",
    names.REGION: "region",
    names.RESOLUTION: "resolution",
}
"""Attribute -> condition of a price."""

_ESTIMATES: Final = {names.ESTIMATE_INPUT: "input", names.ESTIMATE_OUTPUT: "output"}
_MORE: Final = frozenset(
    {
        names.REQUEST_SENT,
        names.MODEL_ASKED,
        names.UNFINISHED,
        names.ATTEMPTS,
        names.ATTEMPTS_UNANSWERED,
        names.HTTP_RESPONSE_STATUS_CODE,
        names.USAGE_CACHE_WRITE_5M,
        names.USAGE_CACHE_WRITE_1H,
        names.USAGE_INCOMPLETE,
        names.PROVIDER_COST,
        names.BATCH,
        *_CONDITIONS,
        *_ESTIMATES,
    }
)
"""Attributes that make a call one whose words cannot be told from its counts."""

READS: Final = _MORE | _SPELLING.names()
"""Attributes that are read beside those of the conventions."""

_RAW: Final = (
    names.GEN_AI_USAGE_PREFIX,
    "genai_cost.usage.",
    "genai_cost.estimate.",
    names.ATTEMPTS,
    names.ATTEMPT_STATUSES,
    names.UNFINISHED,
)
_MAYBE: Final = Usage()
"""Nothing was reported, and something may have been used: unlike NO_USAGE, no error reply makes that nothing."""


def _read_requests(span: SpanView, known: Known) -> Reading | None:
    """What a span says with the attributes of ours; None if no request was sent."""
    attributes = span.attributes
    if attributes.get(names.REQUEST_SENT) is False:
        return None
    reading = conventional(
        span, known, counts=_counts(attributes), context=_context(attributes), raw=_RAW
    )
    if reading is None:
        return None
    attempts = attributes.get(names.ATTEMPTS)
    if type(attempts) is int and attempts > 1:
        reading = reading._replace(attempts=attempts)
    if reading.error and (status := attributes.get(names.HTTP_RESPONSE_STATUS_CODE)):
        reading = reading._replace(error=str(status))
    is_unfinished = attributes.get(names.UNFINISHED) is True
    if is_unfinished and reading.error is None:
        reading = reading._replace(error=UNFINISHED)
    usage = _with_estimates(reading.usage, attributes)
    if is_unfinished or _MORE_MAY_BE_BILLED.intersection(attributes):
        usage = _MAYBE if usage is NO_USAGE else estimated(usage)
    if usage is not reading.usage:
        reading = reading._replace(usage=usage, raw=reading.raw or raw_of(attributes, _RAW))
    return reading._replace(
        provider_cost=word(attributes.get(names.PROVIDER_COST)),
        model_asked=word(attributes.get(names.MODEL_ASKED)),
    )


_MORE_MAY_BE_BILLED: Final = frozenset({names.ATTEMPTS_UNANSWERED, names.USAGE_INCOMPLETE})


def _counts(attributes: Attributes) -> Counts:
    """The counts, with a cache write by its lifetimes."""
    counts = spelled(attributes, _SPELLING)
    if counts is NO_COUNTS:
        return counts
    parts: dict[str, Any] = dict(counts.parts)
    split_write(
        parts,
        attributes.get(names.USAGE_CACHE_WRITE_5M),
        attributes.get(names.USAGE_CACHE_WRITE_1H),
    )
    return counts._replace(parts=parts)


def _context(attributes: Attributes) -> Mapping[str, Any]:
    """The conditions of the price that our own attributes name."""
    found: dict[str, Any] = {"batch": True} if attributes.get(names.BATCH) is True else {}
    for name, condition in _CONDITIONS.items():
        if (value := word(attributes.get(name))) is not None:
            found[condition] = value
    return found or NOTHING


def _with_estimates(usage: Usage, attributes: Attributes) -> Usage:
    """Usage with what was estimated of the totals that nobody reported. Where nothing came but an error, bounds are all
    there is; where an answer was left before any of it came, nothing is likely of its output."""
    bounds = {
        leaf: found
        for name, leaf in _ESTIMATES.items()
        if leaf not in usage.leaves and (found := _bounds(attributes.get(name)))
    }
    if not bounds:
        return usage
    low = {**usage.leaves, **{leaf: found[0] for leaf, found in bounds.items()}}
    high = {**usage.leaves, **{leaf: found[2] for leaf, found in bounds.items() if len(found) == 3}}
    is_bounded = all(len(found) == 3 for found in bounds.values())
    likely = {**usage.leaves, **{leaf: found[1] for leaf, found in bounds.items() if found[1]}}
    if not likely or (usage is NO_USAGE and names.UNFINISHED not in attributes):
        return Usage(low=low, high=high if is_bounded else None)
    return usage._replace(
        leaves=likely, quality="estimated", low=low, high=high if is_bounded else None
    )


def _bounds(value: object) -> tuple[int, ...]:
    """At least, likely, at most; the last may lack. Empty for anything else."""
    if not is_sequence(value) or len(value) not in (2, 3):
        return ()
    found = [n for n in value if type(n) is int and 0 <= n < QUANTITY_LIMIT]
    return tuple(found) if len(found) == len(value) and found == sorted(found) else ()


read: Final = Conventional(_MORE, _read_requests, _SPELLING)
"""What the span says; None if it is no LLM call and carries neither usage nor a tenant."""
