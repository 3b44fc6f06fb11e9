"""Anthropic's iterations: what a message took that its totals leave out, or that another model did."""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost.usage.read import NOTHING
from otel_genai_cost.usage.values import Object, as_object, objects

__all__ = ["had_other_models", "with_compactions"]

_ITERATIONS: Final = "iterations"
_LIFETIMES: Final = "cache_creation"
_OTHER_MODELS: Final = frozenset({"advisor_message", "fallback_message"})
"""Kinds that are priced as those of a model of their own."""

_TOTALS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


def had_other_models(usage: Object) -> bool:
    """Whether a model other than the message's took part, which has a price of its own."""
    return any(each.get("type") in _OTHER_MODELS for each in objects(usage.get(_ITERATIONS)))


def with_compactions(usage: Object) -> Object:
    """A usage object with what compactions used, which it leaves out of its totals and is billed with them."""
    for each in objects(usage.get(_ITERATIONS)):
        if each.get("type") == "compaction":
            usage = _added(usage, each)
    return usage


def _added(usage: Object, more: Object) -> Object:
    totals = {
        key: _plus(usage.get(key), more.get(key)) for key in _TOTALS if key in usage or key in more
    }
    inside = as_object(usage.get(_LIFETIMES)) or NOTHING
    others = as_object(more.get(_LIFETIMES)) or NOTHING
    return {
        **usage,
        **totals,
        _LIFETIMES: {key: _plus(inside[key], others.get(key)) for key in inside},
    }


def _plus(one: Any, other: Any) -> Any:
    """The sum of two counts of which one may be absent; what is no count is kept, to be refused later."""
    if one is None or other is None:
        return other if one is None else one
    if type(one) is int and type(other) is int:
        return one + other
    return other if type(one) is int else one
