"""Exports of clouds: tables of everything that a cloud bills, with columns that are spelled in several ways."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Columns", "has_columns"]

_BREAK: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[/. ]")


def _spelled(name: str) -> str:
    """`lineItem/UsageType`, `LineItemUsageType` and `line_item_usage_type` are one name."""
    return _BREAK.sub("_", name.strip()).lower().replace("__", "_")


def has_columns(columns: frozenset[str], *names: str) -> bool:
    """Whether a table has columns of these names.

    Args:
        columns: as the table spells them.
        names: in lower case, words joined by `_`.
    """
    return {_spelled(name) for name in columns}.issuperset(names)


class Columns:
    """A row by the names of its columns, however they are spelled.

    Args:
        fields: as the table has them.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = {_spelled(name): value for name, value in fields.items()}

    def first(self, *names: str) -> Any:
        """What the first of these columns says that says anything; None if none does."""
        found = (self._fields.get(name) for name in names)
        return next((value for value in found if value not in (None, "")), None)

    def text(self, *names: str) -> str:
        """Likewise, as text; "" if none says anything."""
        value = self.first(*names)
        return "" if value is None else str(value).strip()

    def needed(self, *names: str) -> Any:
        """Likewise.

        Raises:
            ValueError: if none says anything.
        """
        value = self.first(*names)
        if value is None:
            raise ValueError(f"{names[0]} is missing")
        return value
