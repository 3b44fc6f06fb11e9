"""How far each journal segment is ingested, and which of its records are proved to be missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.missing import SEQ_LIMIT, Ranges, count, noted
from otel_genai_cost.journal.reader import Batch

__all__ = ["Cursor", "Cursors", "advanced"]


class Cursor(NamedTuple):
    """How far a segment is ingested.

    Attributes:
        path: the segment's file.
        byte_offset: where to read on.
        records: how many were read.
        seq_max: the highest number read.
        sealed: how many records its last line says there are; None without one.
        damaged: lines that could not be read.
        finished: whether nothing can follow.
        missing: ranges of numbers below `seq_max` that were not read.
        process: who writes it; "" where its header was not read.
    """

    path: str
    byte_offset: int = 0
    records: int = 0
    seq_max: int = 0
    sealed: int | None = None
    damaged: int = 0
    finished: bool = False
    missing: Ranges = ()
    process: str = ""

    @property
    def gaps(self) -> int:
        """Records that are proved to be missing, once it is finished. A line that was written twice hides none."""
        if not self.finished:
            return 0
        return count(self.missing) + max(0, (self.sealed or 0) - self.seq_max)


def advanced(cursor: Cursor, batch: Batch, done: bool) -> Cursor:
    """The cursor after a batch.

    Args:
        cursor: before it.
        batch: what was read from the cursor's offset on.
        done: whether nothing can follow.
    """
    # A seal's own number, which an earlier version has not noted.
    before = () if cursor.sealed is None else (cursor.sealed + 1,)
    seq_max, missing = noted(cursor.seq_max, cursor.missing, [*before, *batch.seqs])
    sealed = batch.sealed if batch.sealed is not None and batch.sealed < SEQ_LIMIT else None
    return cursor._replace(
        byte_offset=batch.offset,
        records=cursor.records + len(batch.records),
        seq_max=seq_max,
        sealed=sealed if sealed is not None else cursor.sealed,
        damaged=cursor.damaged + len(batch.damage),
        finished=done,
        missing=missing,
        process=cursor.process or batch.process,
    )


class Cursors:
    """The table of segments in an open ledger."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def of(self, path: str) -> Cursor:
        """How far that segment is ingested."""
        row = self._db.execute("SELECT * FROM segment WHERE path = ?", (path,)).fetchone()
        return Cursor(path) if row is None else _cursor(row)

    def all(self) -> list[Cursor]:
        """Every segment that was ever read."""
        rows = self._db.execute("SELECT * FROM segment ORDER BY path")
        return [_cursor(row) for row in rows]

    def advance(self, cursor: Cursor) -> None:
        """Remember how far a segment is ingested."""
        missing = ",".join(f"{first}-{last}" for first, last in cursor.missing)
        self._db.execute(
            "INSERT OR REPLACE INTO segment VALUES (?,?,?,?,?,?,?,?,?)",
            (*cursor[:7], missing, cursor.process),
        )


def _cursor(row: Sequence[Any]) -> Cursor:
    path, byte_offset, records, seq_max, sealed, damaged, finished, missing, process = row
    try:
        pairs = (pair.split("-") for pair in missing.split(",") if pair)
        ranges = tuple((int(first), int(last)) for first, last in pairs)
    except (ValueError, AttributeError):
        raise LedgerError(
            f"what the ledger knows of the segment {path} is damaged: {missing!r}"
        ) from None
    return Cursor(
        path=path,
        byte_offset=byte_offset,
        records=records,
        seq_max=seq_max,
        sealed=sealed,
        damaged=damaged,
        finished=bool(finished),
        missing=ranges,
        process=process,
    )
