"""A provider's answer as attributes, read by the same rules that read it wherever else a span carries it.

The providers' ways of counting stand in `usage.payload`, once. A client's file only cuts out of its own objects what
is read there: the usage, the id, the model, and what names the conditions of the price.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.payload import Payload, payload_of, response_of
from otel_genai_cost.usage.searches import billed_searches
from otel_genai_cost.usage.values import as_object
from otel_genai_instrumentors.method import Attributes

__all__ = [
    "as_json",
    "as_object",
    "billed_searches",
    "counted",
    "described",
    "inner",
    "stated",
    "text_in",
]

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
_SIMPLE: Final = frozenset({str, int, float, bool, type(None)})
_DEPTH_MAX: Final = 6
_ITEMS_MAX: Final = 256


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


def as_json(value: Any, depth: int = 0) -> Any:
    """A client's object as JSON has it: models, namespaces and mappings become dictionaries, what a model does not know
    included; enumerations their values. What is deeper or longer than a usage object is left out.

    Args:
        value: of any type.
        depth: how deep it stands in what was asked about.
    """
    if type(value) in _SIMPLE:
        return value
    if depth >= _DEPTH_MAX:
        return None
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)[:_ITEMS_MAX]
        return [as_json(item, depth + 1) for item in items]
    if isinstance(value, Enum):
        return value.value
    return {
        key: item if type(item) in _SIMPLE else as_json(item, depth + 1)
        for key, item in _fields(value).items()
    }


def stated(value: Any) -> dict[str, Any]:
    """A client's object as JSON, as far as it says something.

    Args:
        value: a model, a namespace or a mapping; of anything else there is nothing.
    """
    said = {key: item for key, item in _fields(value).items() if item is not None}
    if _SIMPLE.issuperset(map(type, said.values())):  # as nearly always
        return said
    return {key: as_json(item, 1) for key, item in said.items()}


def _fields(holder: Any) -> Mapping[str, Any]:
    if isinstance(holder, Mapping):
        return cast("Mapping[str, Any]", holder)
    known: dict[str, Any] = getattr(holder, "__dict__", {})
    more: dict[str, Any] | None = getattr(holder, "__pydantic_extra__", None)
    return {**known, **more} if more else known


def inner(holder: Any, key: str) -> Any:
    """What stands there, in a model, a namespace or, as in what a model does not know, a mapping; None if nothing does.

    Args:
        holder: any of these.
        key: its name.
    """
    if isinstance(holder, dict):
        return cast("dict[str, Any]", holder).get(key)
    return getattr(holder, key, None)


def text_in(value: object) -> str | None:
    """Text that says something; None for an empty one, and for anything else.

    Args:
        value: of an answer.
    """
    return value if isinstance(value, str) and value else None
