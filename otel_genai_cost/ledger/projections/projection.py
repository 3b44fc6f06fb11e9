"""What follows from entries is written in the transaction that books them, so that no crash comes between the two.

Each projection remembers up to which entry it is. An entry that another version of this program booked, which did not
know the projection, is caught up with when the ledger is next opened to be written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol

from otel_genai_cost.ledger.entry import Entry

__all__ = ["Projection", "Projections"]

_BATCH: Final = 5_000

EntriesSince = Callable[[int], Iterator[Entry]]
"""The entries after a seq, in order."""


class Projection(Protocol):
    """Tables of one kind. Everything is called inside the transaction of whoever books or decides."""

    name: str
    """Under which its mark is kept."""

    schema: str
    """The statements that make its tables where they are not there."""

    decisions: tuple[str, ...]
    """The types of events of which it takes note."""

    def book(self, entries: Sequence[Entry]) -> None:
        """Take note of entries that are being booked.

        Args:
            entries: in the order of their seq; each comes once.
        """
        ...

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Take note of what a person decided. The same event may come again.

        Args:
            event: as it stands in the ledger's own journal; fields may be missing or of another kind.
            now_us: the time of taking note, unix microseconds.
        """
        ...


class Projections:
    """Those of an open ledger.

    Args:
        db: its connection.
        projections: in the order in which they take note.
    """

    def __init__(self, db: sqlite3.Connection, projections: Sequence[Projection]) -> None:
        self._db, self._projections = db, tuple(projections)

    def prepare(self) -> None:
        """Make the tables that are not there."""
        for one in self._projections:
            self._db.executescript(one.schema)

    def is_behind(self, last_seq: int) -> bool:
        """Whether any has not seen the entry `last_seq`."""
        return any(self._mark(one) < last_seq for one in self._projections)

    def catch_up(self, since: EntriesSince) -> None:
        """Let each take note of what it has not seen, inside the caller's transaction.

        Args:
            since: gives the entries.
        """
        for one in self._projections:
            entries = since(self._mark(one))
            while batch := list(islice(entries, _BATCH)):
                self._note(one, batch)

    def book(self, entries: Sequence[Entry]) -> None:
        """Let all take note of entries that are being booked, inside the transaction that books them."""
        if entries:
            for one in self._projections:
                self._note(one, entries)

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Let those take note of an event whom it concerns, inside the caller's transaction.

        Args:
            event: what a person decided.
            now_us: unix microseconds.
        """
        for one in self._projections:
            if event.get("type") in one.decisions:
                one.decide(event, now_us)

    def _note(self, one: Projection, entries: Sequence[Entry]) -> None:
        one.book(entries)
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES (?,?)", (_key(one), str(entries[-1].seq))
        )

    def _mark(self, one: Projection) -> int:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (_key(one),)).fetchone()
        return 0 if row is None else int(row[0])


def _key(one: Projection) -> str:
    return f"projected_{one.name}"
