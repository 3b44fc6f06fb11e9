"""Named tuples with many fields, made by place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["wide_row"]

wide_row: Callable[..., Any] = tuple.__new__  # pyright: ignore -- tuple's own type has no parameter here
"""`wide_row(Observation, (…))` is `Observation(…)`. The class would only pass its arguments on to this: of 17 fields
that costs three times as much by place, and eleven times by name. Every field is given, since there are no defaults."""
