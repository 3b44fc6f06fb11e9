"""What each action comes to: the relation that everything about actions is asked of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import query_parts

__all__ = ["PARTS_SQL", "Parts", "PartsOf", "action_parts"]

_SQL: Final = (Path(__file__).parent / "sql" / "action_parts.sql").read_text(encoding="utf-8")

PARTS_SQL: Final = """this_action,
           currency,
           CAST(sum(calls) AS BIGINT) AS calls,
           CAST(sum(unpriced) AS BIGINT) AS unpriced,
           CAST(sum(amount) AS DECIMAL(38, 18)) AS amount,
           max(last) AS last"""
"""What adds parts up, behind their dimensions: one may come in several rows, each of entries that came together."""


class Parts(NamedTuple):
    """A query that gives parts of actions by some dimensions: beside these `this_action`, `currency`, `calls`,
    `unpriced`, `amount`, and when the `last` call ended.

    Attributes:
        sql: it.
        parameters: of it.
    """

    sql: str
    parameters: list[Any]


class PartsOf(Protocol):
    """`action_parts`, or what gives the same."""

    def __call__(self, by: Sequence[str], selection: Selection, first: int) -> Parts:
        """A query whose first parameter has that number."""
        ...


def action_parts(
    by: Sequence[str],
    selection: Selection,
    first: int,
    until_seq: int | None = None,
    after_seq: int | None = None,
) -> Parts:
    """Parts of actions, as the entries have them.

    Args:
        by: names of `reports.tables.DIMENSIONS`.
        selection: which calls.
        first: the number of the query's first parameter.
        until_seq: the last entry that counts.
        after_seq: the last that does not.

    Raises:
        ConfigurationError: for a dimension there is none of.
    """
    after = "TRUE" if after_seq is None else f"seq > {after_seq:d}"
    parts = query_parts(by, selection, first=first + 1, among=after)
    sql = _SQL.format(first=first, after=after, **parts.sql)
    return Parts(sql, [until_seq, *parts.parameters])
