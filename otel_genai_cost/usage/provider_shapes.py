"""Usage objects that only one provider writes, and what one writes beside those that many write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any, Final, cast

from otel_genai_cost.usage.counts import NO_COUNTS, Counts
from otel_genai_cost.usage.values import Object, as_object, whole

__all__ = [
    "add_mistral",
    "cohere",
    "duration",
    "is_short_of_connectors",
    "named",
    "ollama",
    "pages",
]

_SEARCH: Final = "web_search"
_SECONDS_LIMIT: Final = 10**9
_UNITS: Final = {
    "search_units": "requests",
    "classifications": "requests",
    "pages": "pages",
    "images": "images",
    "image_tokens": "input_image",
}
"""What Cohere bills -> leaf."""


def named(input_key: str, output_key: str) -> Callable[[Object], Counts]:
    """How an object is read that has nothing but these two counts."""

    def read(usage: Object) -> Counts:
        return Counts(usage.get(input_key), usage.get(output_key), {})

    return read


def cohere(usage: Object) -> Counts:
    """Tokens; of what reports none the units that are billed. Counts may be written as 1.0. Where both are there, they
    differ by the tokens of Cohere's own template, which it does not bill; a reader who wants the bill leaves the tokens
    out."""
    billed = as_object(usage.get("billed_units"))
    tokens = as_object(usage.get("tokens")) or billed
    parts: dict[str, Any] = {
        leaf: billed[unit] for unit, leaf in _UNITS.items() if billed.get(unit)
    }
    if (cached := usage.get("cached_tokens")) is not None:
        parts["cache_read"] = cached
    found = [whole(tokens.get(side)) for side in ("input_tokens", "output_tokens")]
    if found[0] is None and "input_image" in parts:
        found[0] = whole(parts["input_image"])
    return Counts(found[0], found[1], {leaf: whole(n) for leaf, n in parts.items()})


def ollama(usage: Object) -> Counts:
    """What a server still had of earlier prompts is part of the prompt."""
    cached = usage.get("prompt_eval_cached_count")
    parts: Mapping[str, Any] = {} if cached is None else {"cache_read": cached}
    return Counts(usage.get("prompt_eval_count"), usage.get("eval_count"), parts)


def add_mistral(parts: dict[str, Any], usage: Object, input_total: Any, output_total: Any) -> Any:
    """Take in what Mistral counts beside the tokens that it read and wrote: seconds that it heard, searches, and the
    tokens that its connectors brought, which it counts in the total alone.

    Args:
        parts: counts by leaf, added to.
        usage: the object.
        input_total: tokens that it says it read.
        output_total: tokens that it says it wrote.

    Returns:
        The input with what the connectors brought.
    """
    seconds = usage.get("prompt_audio_seconds")
    if type(seconds) is int and seconds:
        parts["media_ms"] = seconds * 1000
    searches = as_object(usage.get("connectors")).get(_SEARCH)
    if searches:
        parts["web_searches"] = searches
    brought = usage.get("connector_tokens")
    counts = [n for n in (input_total, output_total, brought) if type(n) is int]
    if brought and len(counts) == 3 and usage.get("total_tokens") == sum(counts):
        return input_total + brought
    return input_total


def is_short_of_connectors(usage: Object) -> bool:
    """Whether a connector of Mistral's was used that is billed by the call and has no leaf."""
    connectors = as_object(usage.get("connectors"))
    return any(n for name, n in connectors.items() if name != _SEARCH)


def duration(usage: Object) -> Counts:
    """Transcriptions that are billed by the length of what was heard."""
    seconds: Any = usage.get("seconds")
    if not isinstance(seconds, Real) or not 0 <= cast("Any", seconds) < _SECONDS_LIMIT:
        return NO_COUNTS
    media_ms = (Decimal(repr(seconds)) * 1_000).to_integral_value()
    return Counts(None, None, {"media_ms": int(media_ms)})


def pages(usage: Object) -> Counts:
    """Documents that are billed by the page."""
    return Counts(None, None, {"pages": usage.get("pages_processed")})
