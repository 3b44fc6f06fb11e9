"""What each tenant's calls cost, hour by hour: what shows that one spends more than usual, or has fallen silent.

Sums are exact, though SQLite adds them: whole units and the atto beyond them stand in a column each.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.pricing.money import ATTO

__all__ = ["HOUR_US", "KEPT_H", "Spending"]

HOUR_US: Final = 3_600_000_000

KEPT_H: Final = 42 * 24
"""Hours before that are forgotten; the rules look back five weeks at most."""

_NOBODY: Final = ""
"""No tenant has this name; calls without one stand under it."""

_ADD: Final = (
    "INSERT INTO spent VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET"
    f" units = units + excluded.units + (atto + excluded.atto) / {ATTO}, atto = (atto + excluded.atto) % {ATTO}"
)
_MOST: Final = 10**15 * ATTO
_PARTS: Final = 10**9
"""Nine digits of an atto at a time can be summed up in 64 bits over billions of rows."""


class Spending:
    """The projection.

    Args:
        db: the connection of an open ledger.
    """

    name = "spending"
    decisions: tuple[str, ...] = ()
    schema = """
    CREATE TABLE IF NOT EXISTS spent (
        hour INTEGER NOT NULL, tenant TEXT NOT NULL, currency TEXT NOT NULL, units INTEGER NOT NULL,
        atto INTEGER NOT NULL, PRIMARY KEY (hour, tenant, currency)
    ) WITHOUT ROWID;
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def book(self, entries: Sequence[Entry]) -> None:
        """Add what calls cost to the hours in which they occurred."""
        sums: dict[tuple[int, str, str], int] = defaultdict(int)
        for entry in entries:
            tenant = entry.attribution.tenant or _NOBODY
            sums[entry.occurred_us // HOUR_US, tenant, entry.currency] += entry.amount
        rows = [(*key, *divmod(_bounded(sums[key]), ATTO)) for key in sorted(sums)]
        self._db.executemany(_ADD, rows)

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Nothing: it follows from entries alone."""

    def hours(self, since: int) -> dict[str, list[int]]:
        """The hours since the epoch in which each tenant called.

        Args:
            since: the first hour.
        """
        rows = self._db.execute(
            "SELECT DISTINCT tenant, hour FROM spent WHERE hour >= ? AND tenant <> ?",
            (since, _NOBODY),
        )
        found: dict[str, list[int]] = {}
        for tenant, hour in rows:
            found.setdefault(tenant, []).append(hour)
        return found

    def together(self, since: int, end: int) -> dict[str, dict[int, int]]:
        """What all tenants spent (atto) by currency and hour, where that is anything.

        Args:
            since, end: hours since the epoch, half-open.
        """
        rows = self._db.execute(
            f"SELECT currency, hour, sum(units), sum(atto / {_PARTS}), sum(atto % {_PARTS}) FROM spent"
            " WHERE hour >= ? AND hour < ? GROUP BY currency, hour",
            (since, end),
        )
        found: dict[str, dict[int, int]] = {}
        for currency, hour, *parts in rows:
            if amount := _amount(*parts):
                found.setdefault(currency, {})[hour] = amount
        return found

    def by_tenant(self, since: int, end: int) -> dict[str, dict[str | None, int]]:
        """What each tenant spent (atto) by currency, where that is anything.

        Args:
            since, end: hours since the epoch, half-open.
        """
        rows = self._db.execute(
            f"SELECT currency, tenant, sum(units), sum(atto / {_PARTS}), sum(atto % {_PARTS}) FROM spent"
            " WHERE hour >= ? AND hour < ? GROUP BY currency, tenant",
            (since, end),
        )
        found: dict[str, dict[str | None, int]] = {}
        for currency, tenant, *parts in rows:
            if amount := _amount(*parts):
                found.setdefault(currency, {})[tenant or None] = amount
        return found

    def of(
        self, names: Iterable[str | None], since: int, end: int
    ) -> dict[str, dict[str | None, dict[int, int]]]:
        """What each of these spent (atto) by currency, tenant and hour, where that is anything.

        Args:
            names: tenants, None for calls without one.
            since, end: hours since the epoch, half-open.
        """
        wanted = [name or _NOBODY for name in names]
        rows = self._db.execute(
            "SELECT currency, tenant, hour, units, atto FROM spent WHERE hour >= ? AND hour < ?"
            f" AND tenant IN ({','.join('?' * len(wanted))})",
            (since, end, *wanted),
        )
        found: dict[str, dict[str | None, dict[int, int]]] = {}
        for currency, tenant, hour, units, atto in rows:
            if amount := units * ATTO + atto:
                hours = found.setdefault(currency, {}).setdefault(tenant or None, {})
                hours[hour] = amount
        return found

    def spenders(self, since: int, end: int) -> list[str | None]:
        """Who spent anything.

        Args:
            since, end: hours since the epoch, half-open.
        """
        rows = self._db.execute(
            "SELECT DISTINCT tenant FROM spent WHERE hour >= ? AND hour < ? ORDER BY tenant",
            (since, end),
        )
        return [tenant or None for (tenant,) in rows]

    def forget(self, before: int) -> None:
        """Forget the hours before one, inside the caller's transaction."""
        self._db.execute("DELETE FROM spent WHERE hour < ?", (before,))


def _amount(units: int, upper: int, lower: int) -> int:
    """A sum, from those of its parts."""
    return units * ATTO + upper * _PARTS + lower


def _bounded(amount: int) -> int:
    """What a price file that is absurd makes of a call must not stop the books: here it is more than enough."""
    return max(-_MOST, min(_MOST, amount))
