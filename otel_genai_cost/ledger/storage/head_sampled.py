"""The table of calls that are known only because head sampling let their spans through.

It is made with the first of them, so that a ledger that never has one pays nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from otel_genai_cost.ledger.storage.observation_rows import INTEGER_LIMIT, THRESHOLD

__all__ = ["HeadSampled"]

_MADE: Final = (
    "CREATE TABLE IF NOT EXISTS head_sampled"
    " (id TEXT PRIMARY KEY, service TEXT NOT NULL, end_us INTEGER NOT NULL) WITHOUT ROWID"
)
_IS_MADE: Final = "SELECT 1 FROM sqlite_master WHERE name = 'head_sampled'"
_INSERT: Final = (
    "INSERT OR IGNORE INTO head_sampled SELECT ?1, ?2, ?3 WHERE NOT EXISTS"
    f" (SELECT 1 FROM observation WHERE id = packed_id(?1) AND {THRESHOLD} IS NULL)"
)


class HeadSampled:
    """The table in an open ledger."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def note(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Note of observations that were ingested which of them are of a sample; one of which an application journalled
        a copy itself, sooner or later, is not."""
        sampled = [row for record in records if (row := _row(record)) is not None]
        if sampled:
            self._db.execute(_MADE)
            self._db.executemany(_INSERT, sampled)
        elif not self._is_made():
            return
        whole = ((record.get("id"),) for record in records if record.get("threshold") is None)
        self._db.executemany("DELETE FROM head_sampled WHERE id = ?", _texts(whole))

    def between(self, from_us: int, to_us: int) -> dict[str, int]:
        """How many calls ended in that time (to_us excluded), by service; "" for one without a name."""
        if not self._is_made():
            return {}
        rows = self._db.execute(
            "SELECT service, count(*) FROM head_sampled WHERE end_us BETWEEN ? AND ?"
            " GROUP BY 1 ORDER BY 1",
            (from_us, to_us - 1),
        )
        return dict(rows.fetchall())

    def _is_made(self) -> bool:
        return self._db.execute(_IS_MADE).fetchone() is not None


def _row(record: Mapping[str, Any]) -> tuple[str, str, int] | None:
    """None for what is not sampled, or does not even say what it is."""
    one, end_us, origin = record.get("id"), record.get("end_us"), record.get("origin")
    if record.get("threshold") is None or not isinstance(one, str):
        return None
    if type(end_us) is not int or not 0 <= end_us < INTEGER_LIMIT:
        return None
    named = cast("Sequence[Any]", origin)[:1] if isinstance(origin, (list, tuple)) else ()
    service = named[0] if named and isinstance(named[0], str) else ""
    return one, service, end_us


def _texts(rows: Iterable[tuple[Any]]) -> Iterable[tuple[str]]:
    return (row for row in rows if isinstance(row[0], str))
