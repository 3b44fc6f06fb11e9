"""The table of entries: append-only, numbered without gaps."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.packed_id import packed_id, shown_id
from otel_genai_cost.ledger.projections.projection import Projections
from otel_genai_cost.ledger.storage.entry_rows import ENTRY, INSERT_ENTRY, EntryRows
from otel_genai_cost.ledger.storage.rows import DAMAGE, batches, damaged_row, marks, read_row
from otel_genai_cost.ledger.storage.texts import Texts
from otel_genai_cost.wide_rows import wide_row

__all__ = ["Entries", "Extent"]

_CLOCKS_DIFFER_US: Final = 600_000_000
"""By how much an application's clock may be ahead of the ledger's."""


class Extent(NamedTuple):
    """How many calls are booked, and when the first and the last occurred (unix microseconds, None without any)."""

    calls: int
    first_us: int | None
    last_us: int | None


class Entries:
    """The table in an open ledger. Every method that reads entries raises LedgerError if one is damaged.

    Args:
        db: its connection.
        path: the ledger's file, for messages.
        texts: its dictionary.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, texts: Texts) -> None:
        self._db, self._path = db, path
        self._rows = EntryRows(texts)
        self.projections = Projections(db, ())

    def forget(self) -> None:
        """After a transaction that failed."""
        self._rows.forget()

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, in order."""
        return self.since(0)

    def since(self, seq: int, limit: int = -1) -> Iterator[Entry]:
        """Entries after `seq`, in order: at most `limit`, all if that is negative."""
        rows = self._db.execute(
            f"SELECT {ENTRY} FROM entry WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        )
        return map(self._entry, rows)

    def id_at(self, seq: int) -> str:
        """The id of an entry; "" where there is none. A ledger that has another one at a place than it had was put back
        or rebuilt.

        Args:
            seq: of the entry.
        """
        found = next(self.since(seq - 1, 1), None) if seq else None
        return "" if found is None else found.id

    def check_has(self, seq: int, what: str) -> None:
        """Refuse a ledger that was put back, or is being rebuilt, and has not got everything again: what is still to
        come would be taken for gone.

        Args:
            seq: of the last entry that somebody went by.
            what: was done with it, in words.

        Raises:
            LedgerError: if there are fewer.
        """
        have = self.last_seq()
        if have < seq:
            raise LedgerError(
                f"the ledger has {have:,} entries, and {seq:,} were {what}; "
                "run `genai-cost ship` until it has them again"
            )

    def between(self, from_us: int, to_us: int) -> Iterator[Entry]:
        """The entries of calls that occurred in that time, in order; no other is looked into.

        Args:
            from_us: unix microseconds.
            to_us: the first instant that no longer counts.
        """
        rows = self._db.execute(
            f"SELECT {ENTRY} FROM entry WHERE occurred_us >= ? AND occurred_us < ? ORDER BY seq",
            (from_us, to_us),
        )
        return map(self._entry, rows)

    def of_tenants(self, tenants: Collection[str | None], from_us: int) -> Iterator[Entry]:
        """The entries of calls of these tenants that occurred from a time on, in order.

        Args:
            tenants: their ids.
            from_us: unix microseconds. What was booked more than ten minutes before it is not looked at.
        """
        rows = self._db.execute(
            f"SELECT {ENTRY} FROM entry WHERE seq > ? AND occurred_us >= ? ORDER BY seq",
            (self._booked_before(from_us - _CLOCKS_DIFFER_US), from_us),
        )
        for row in rows:
            if self._tenant(row) in tenants:
                yield self._entry(row)

    def _tenant(self, row: Sequence[Any]) -> str | None:
        return read_row(self._path, "entry", row[0], lambda: self._rows.tenant(row[9]))

    def _booked_before(self, us: int) -> int:
        """A seq up to which everything was booked before a time."""
        last, step = self.last_seq(), 64
        while last > 0:
            (newest_us,) = self._db.execute(
                "SELECT max(booked_us) FROM entry WHERE seq > ? AND seq <= ?",
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
        posted = [
            cast("Entry", wide_row(Entry, (seq, *entry[1:])))
            for seq, entry in enumerate(entries, start=last + 1)
        ]
        self._db.executemany(INSERT_ENTRY, self._rows.rows(posted))
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
        for part in batches(list(map(packed_id, charge_ids))):
            rows = self._db.execute(
                f"SELECT {ENTRY} FROM entry WHERE charge_id IN ({marks(part)}) ORDER BY charge_id, seq",
                part,
            )
            for entry in map(self._entry, rows):
                found.setdefault(entry.charge_id, []).append(entry)
        return found

    def charge_ids(self) -> Iterator[str]:
        """Every charge ever booked, in the order of its first entry."""
        rows = self._db.execute("SELECT charge_id FROM entry GROUP BY charge_id ORDER BY min(seq)")
        return (shown_id(row[0]) for row in rows)

    def unpriced_ids(self, since: int) -> Iterator[str]:
        """Charges with an entry after the seq `since` that counts as unpriced; they may be priced by now."""
        rows = self._db.execute(
            "SELECT charge_id FROM entry WHERE seq > ? AND unpriced = 1"
            " GROUP BY charge_id ORDER BY min(seq)",
            (since,),
        )
        return (shown_id(row[0]) for row in rows)

    def posted(self, charge_ids: Iterable[str]) -> frozenset[str]:
        """Which of these charges have entries."""
        found: set[str] = set()
        for part in batches(list(map(packed_id, charge_ids))):
            rows = self._db.execute(
                f"SELECT DISTINCT charge_id FROM entry WHERE charge_id IN ({marks(part)})", part
            )
            found.update(shown_id(row[0]) for row in rows)
        return frozenset(found)

    def extent(self) -> Extent:
        """What is booked. It reads every entry."""
        calls, first_us, last_us = self._db.execute(
            "SELECT coalesce(sum(calls), 0), min(occurred_us), max(occurred_us) FROM entry"
        ).fetchone()
        return Extent(calls, first_us, last_us)

    def _entry(self, row: Sequence[Any]) -> Entry:
        try:
            return self._rows.entry(row)
        except DAMAGE as error:  # as `read_row`, without a closure for each of all
            raise damaged_row(self._path, "entry", row[0], error) from None
