"""A provider's answer as attributes, read by the same rules that read it wherever else a span carries it.

The providers' ways of counting stand in `usage.payload`, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.payload import Payload, payload_of, response_of

__all__ = ["counted", "described"]

Attributes = dict[str, Any]

_LEAVES: Final = {
    "cache_read": names.GEN_AI_USAGE_CACHE_READ,
    "cache_write": names.GEN_AI_USAGE_CACHE_WRITE,
    "cache_write_5m": names.USAGE_CACHE_WRITE_5M,
    "cache_write_1h": names.USAGE_CACHE_WRITE_1H,
    "cache_read_audio": names.GEN_AI_USAGE_AUDIO_CACHE_READ,
    "input_audio": names.GEN_AI_USAGE_AUDIO_INPUT,
    "input_image": names.GEN_AI_USAGE_IMAGE_INPUT,
    "input_video": names.GEN_AI_USAGE_VIDEO_INPUT,
    "reasoning": names.GEN_AI_USAGE_REASONING,
    "output_audio": names.GEN_AI_USAGE_AUDIO_OUTPUT,
    "output_image": names.GEN_AI_USAGE_IMAGE_OUTPUT,
    "web_searches": names.USAGE_WEB_SEARCHES,
    "requests": names.USAGE_REQUESTS,
    "images": names.USAGE_IMAGES,
    "characters": names.USAGE_CHARACTERS,
    "pages": names.USAGE_PAGES,
    "media_ms": names.USAGE_MEDIA_MS,
    "citation": names.USAGE_CITATION,
}
"""Leaf -> attribute."""

_CONDITIONS: Final = {
    "service_tier": names.SERVICE_TIER,
    "batch": names.BATCH,
    "speed": names.SPEED,
    "inference_geo": names.INFERENCE_GEO,
    "search_context_size": names.SEARCH_CONTEXT_SIZE,
}
"""Condition of a price -> attribute."""

_ID: Final = names.GEN_AI_RESPONSE_ID
_MODEL: Final = names.GEN_AI_RESPONSE_MODEL
_INPUT: Final = names.GEN_AI_USAGE_INPUT_TOKENS
_OUTPUT: Final = names.GEN_AI_USAGE_OUTPUT_TOKENS
_LIFETIMES: Final = frozenset({"cache_write_5m", "cache_write_1h"})


def described(response: Mapping[str, Any], provider: str | None = None) -> Attributes:
    """The attributes of a whole answer, in its provider's words.

    Args:
        response: `id`, `model`, `usage` and the like under the names that the provider gives them, as plain values.
        provider: whose answer it is, which decides whether a cost that it states is its bill; None if unknown.

    Returns:
        Names and values, without those that are not known. Parts of the totals only where they are not zero, as the
        conventions' other emitters do.
    """
    return _attributes(response_of(response), provider)


def counted(usage: Mapping[str, Any]) -> Attributes:
    """The attributes of a usage object alone.

    Args:
        usage: under the names that its provider gives, as plain values.
    """
    return _attributes(payload_of(usage), None)


def _attributes(payload: Payload, provider: str | None) -> Attributes:
    (input_total, output_total, parts), context, bill, response_id, model, is_short = payload
    cost = bill.by(provider)
    found: Attributes = {}
    if response_id is not None:
        found[_ID] = response_id
    if model is not None:
        found[_MODEL] = model
    if input_total is not None:
        found[_INPUT] = input_total
    if output_total is not None:
        found[_OUTPUT] = output_total
    if cost is not None or is_short:
        found.update(_rare(cost, is_short=is_short))
    for leaf, n in parts.items():
        if n:
            found[_LEAVES[leaf]] = n
    if not _LIFETIMES.isdisjoint(parts) and (write := sum(parts.get(of, 0) for of in _LIFETIMES)):
        found[names.GEN_AI_USAGE_CACHE_WRITE] = write
    for condition, value in context.items():
        found[_CONDITIONS[condition]] = value
    return found


def _rare(cost: str | None, *, is_short: bool) -> Attributes:
    """What few answers say."""
    found: Attributes = {} if cost is None else {names.PROVIDER_COST: cost}
    if is_short:
        found[names.USAGE_INCOMPLETE] = True
    return found
