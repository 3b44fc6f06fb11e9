"""In which hours each tenant called: what shows that one has fallen silent. A part of the projection of notices."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from otel_genai_cost.ledger.entry import Entry

__all__ = ["HOUR_US", "Activity"]

HOUR_US: Final = 3_600_000_000


class Activity:
    """The table in an open ledger.

    Args:
        db: its connection.
    """

    schema = """
    CREATE TABLE IF NOT EXISTS active (tenant TEXT NOT NULL, hour INTEGER NOT NULL, PRIMARY KEY (tenant, hour))
        WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS active_in ON active (hour);
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def book(self, entries: Sequence[Entry]) -> None:
        """Note the hours in which calls occurred.

        Args:
            entries: that are being booked.
        """
        hours = {
            (entry.attribution.tenant, entry.occurred_us // HOUR_US)
            for entry in entries
            if entry.calls > 0 and entry.attribution.tenant is not None
        }
        self._db.executemany("INSERT OR IGNORE INTO active VALUES (?,?)", sorted(hours))

    def hours(self, since: int) -> dict[str, list[int]]:
        """The hours since the epoch in which each tenant called.

        Args:
            since: the first hour.
        """
        rows = self._db.execute("SELECT tenant, hour FROM active WHERE hour >= ?", (since,))
        found: dict[str, list[int]] = {}
        for tenant, hour in rows:
            found.setdefault(tenant, []).append(hour)
        return found

    def forget(self, before: int) -> None:
        """Forget the hours before one, inside the caller's transaction."""
        self._db.execute("DELETE FROM active WHERE hour < ?", (before,))
