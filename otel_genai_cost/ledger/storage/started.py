"""Calls whose start was journalled: open liabilities until their observation comes, or none can come any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any, Final

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.ledger.storage.observations import Observations

__all__ = ["StartedCalls"]

_PATIENCE_US: Final = 3_600_000_000
"""A call whose process still runs is waited for so long from the ingestion of its start."""


class StartedCalls:
    """The table of started calls in an open ledger; `observations` is that of their ends."""

    def __init__(self, db: sqlite3.Connection, observations: Observations) -> None:
        self._db, self._observations = db, observations

    def note(self, records: Iterable[dict[str, Any]], process: str, now_us: int) -> None:
        """Keep the starts among a segment's records.

        Args:
            records: as the reader gives them; those without an id are ignored.
            process: the id of the process that wrote the segment; empty if unknown.
            now_us: the time, in unix microseconds: an hour later they are not waited for any more.
        """
        rows = [
            (record["id"], process, now_us + _PATIENCE_US, encode(record))
            for record in records
            if isinstance(record.get("id"), str)
        ]
        self._db.executemany("INSERT OR IGNORE INTO started VALUES (?,?,?,?)", rows)

    def end(self, now_us: int, ripe_us: int, running: Collection[str]) -> int:
        """Forget the starts that were observed since, and make an observation of each that will never be.

        Those are the ones whose process is gone, or that an hour has gone by for.

        Args:
            now_us: the time, in unix microseconds.
            ripe_us: when the new observations are to be settled.
            running: ids of the processes that still write.

        Returns:
            How many observations were made.
        """
        self._db.execute(
            "DELETE FROM started WHERE EXISTS (SELECT 1 FROM observation WHERE observation.id = packed_id(started.id))"
        )
        rows = self._db.execute("SELECT id, process, due_us, body FROM started").fetchall()
        lost = [row for row in rows if row[2] <= now_us or (row[1] and row[1] not in running)]
        for one, _, _, body in lost:
            self._observe({**decode(body), "id": one}, now_us, ripe_us)
        self._db.executemany("DELETE FROM started WHERE id = ?", [(row[0],) for row in lost])
        return len(lost)

    def open(self) -> list[dict[str, Any]]:
        """The starts that are waited for."""
        rows = self._db.execute("SELECT body FROM started ORDER BY id")
        return [decode(body) for (body,) in rows]

    def _observe(self, record: dict[str, Any], now_us: int, ripe_us: int) -> None:
        record.pop("type", None)
        record.pop("seq", None)
        self._observations.add(record, now_us, ripe_us)
