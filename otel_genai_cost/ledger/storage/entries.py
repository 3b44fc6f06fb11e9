"""The table of entries: append-only, numbered without gaps."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.ledger.entry import Entry, entry_of, entry_record
from otel_genai_cost.ledger.projections.projection import Projections
from otel_genai_cost.ledger.storage.rows import batches, marks, read_row

__all__ = ["Entries", "Extent"]

_CLOCKS_DIFFER_US: Final = 600_000_000
"""By how much an application's clock may be ahead of the ledger's."""


class Extent(NamedTuple):
    """How many calls are booked, and when the first and the last occurred (unix microseconds, None without any)."""

    calls: int
    first_us: int | None
    last_us: int | None


class Entries:
    """The table in an open ledger; `path` is the ledger's file, for messages. Every method that reads entries raises
    LedgerError if one is damaged."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path
        self.projections = Projections(db, ())

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, in order."""
        return self.since(0)

    def since(self, seq: int, limit: int = -1) -> Iterator[Entry]:
        """Entries after `seq`, in order: at most `limit`, all if that is negative."""
        rows = self._db.execute(
            "SELECT seq, body FROM entry WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        )
        return (self._entry(seq, body) for seq, body in rows)

    def of_tenants(self, tenants: Collection[str], from_us: int) -> Iterator[Entry]:
        """The entries of calls of these tenants that occurred from a time on, in order.

        Args:
            tenants: their ids.
            from_us: unix microseconds. What was booked more than ten minutes before it is not looked at.
        """
        rows = self._db.execute(
            "SELECT seq, body, json_extract(body, '$.tenant') FROM entry WHERE seq > ? ORDER BY seq",
            (self._booked_before(from_us - _CLOCKS_DIFFER_US),),
        )
        for seq, body, tenant in rows:
            if tenant in tenants:
                entry = self._entry(seq, body)
                if entry.occurred_us >= from_us:
                    yield entry

    def _booked_before(self, us: int) -> int:
        """A seq up to which everything was booked before a time."""
        last, step = self.last_seq(), 64
        while last > 0:
            (newest_us,) = self._db.execute(
                "SELECT max(json_extract(body, '$.booked_us')) FROM entry WHERE seq > ? AND seq <= ?",
                (last - step, last),
            ).fetchone()
            if newest_us < us:
                return last
            last, step = last - step, step * 2
        return 0

    def append(self, entries: Sequence[Entry]) -> list[Entry]:
        """Post entries and what follows from them, inside the caller's transaction.

        Returns:
            The same entries, each with its seq.
        """
        last = self.last_seq()
        posted = [entry._replace(seq=seq) for seq, entry in enumerate(entries, start=last + 1)]
        self._db.executemany("INSERT INTO entry VALUES (?,?,?,?)", map(_row, posted))
        self.projections.book(posted)
        return posted

    def last_seq(self) -> int:
        """The seq of the newest entry; 0 if there is none."""
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0])

    def of(self, charge_id: str) -> list[Entry]:
        """One charge's entries, in order."""
        return self.by_charge([charge_id]).get(charge_id, [])

    def by_charge(self, charge_ids: Sequence[str]) -> dict[str, list[Entry]]:
        """The entries of each of these charges that has any, in order."""
        found: dict[str, list[Entry]] = {}
        for part in batches(charge_ids):
            rows = self._db.execute(
                f"SELECT charge_id, seq, body FROM entry WHERE charge_id IN ({marks(part)})"
                " ORDER BY charge_id, seq",
                part,
            )
            for charge_id, seq, body in rows:
                found.setdefault(charge_id, []).append(self._entry(seq, body))
        return found

    def charge_ids(self) -> Iterator[str]:
        """Every charge ever booked, in the order of its first entry."""
        rows = self._db.execute("SELECT charge_id FROM entry GROUP BY charge_id ORDER BY min(seq)")
        return (row[0] for row in rows)

    def unpriced_ids(self, since: int) -> Iterator[str]:
        """Charges with an entry after the seq `since` that counts as unpriced; they may be priced by now."""
        rows = self._db.execute(
            "SELECT charge_id FROM entry WHERE seq > ? AND instr(body, '\"unpriced\":1,')"
            " GROUP BY charge_id ORDER BY min(seq)",
            (since,),
        )
        return (row[0] for row in rows)

    def posted(self, charge_ids: Iterable[str]) -> frozenset[str]:
        """Which of these charges have entries."""
        found: set[str] = set()
        for part in batches(list(charge_ids)):
            rows = self._db.execute(
                f"SELECT DISTINCT charge_id FROM entry WHERE charge_id IN ({marks(part)})", part
            )
            found.update(row[0] for row in rows)
        return frozenset(found)

    def extent(self) -> Extent:
        """What is booked. It reads every entry."""
        calls, first_us, last_us = self._db.execute(
            "SELECT coalesce(sum(json_extract(body, '$.calls')), 0), min(json_extract(body, '$.occurred_us')),"
            " max(json_extract(body, '$.occurred_us')) FROM entry"
        ).fetchone()
        return Extent(calls, first_us, last_us)

    def _entry(self, seq: int, body: str) -> Entry:
        return read_row(self._path, "entry", seq, lambda: entry_of(decode(body.encode())))


def _row(entry: Entry) -> tuple[int, str, str, str]:
    return entry.seq, entry.id, entry.charge_id, encode(entry_record(entry)).decode()
