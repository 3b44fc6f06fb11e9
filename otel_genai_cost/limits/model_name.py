"""Under which name budgets count a model: a call asks for one, and a dated release of it answers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

__all__ = ["counted_as", "undated"]

_RELEASE: Final = re.compile(
    r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{2}-\d{2}|\d{8}|\d{4})|[-:]latest|-v\d+:\d+)$",
    re.ASCII,
)


@lru_cache(maxsize=10_000)
def undated(model: str) -> str:
    """The model without what names one release of it, or the place that it is at.

    Args:
        model: any name of it: `gpt-4o-2024-08-06`, `models/gemini-2.5-flash`, `anthropic.claude-3-haiku-20240307-v1:0`.

    Returns:
        `gpt-4o`, `gemini-2.5-flash`, `anthropic.claude-3-haiku`; the same for a name that says neither.
    """
    name = model.casefold().rpartition("/")[2] or model.casefold()
    while (shorter := _RELEASE.sub("", name)) not in ("", name):
        name = shorter
    return name


def counted_as(dimensions: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """What is known of a call, as budgets look at it.

    Args:
        dimensions: with any name of its model, if that is known.
    """
    model = dimensions.get("model")
    return dimensions if model is None else {**dimensions, "model": undated(model)}
