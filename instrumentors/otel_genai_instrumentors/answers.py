"""A client's objects as plain values. A client's file only cuts out of its own objects what `usage.described` reads:
the usage, the id, the model, and what names the conditions of the price.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, cast

from otel_genai_cost.usage.described import counted, described
from otel_genai_cost.usage.searches import billed_searches
from otel_genai_cost.usage.values import as_object

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

_SIMPLE: Final = frozenset({str, int, float, bool, type(None)})
_DEPTH_MAX: Final = 6
_ITEMS_MAX: Final = 256


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
