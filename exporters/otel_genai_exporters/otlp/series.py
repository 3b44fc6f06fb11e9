"""The sums in a file, and which of them are a series of their own.

The greatest by cost are shown by themselves, as long as there is room; all others together are `other`. What is once
shown by itself stays so, and what was part of `other` leaves there what it had: no series ever falls, and all of them
add up to the ledger.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.otlp.position import mark_in, opened
from otel_genai_exporters.otlp.sums import NOTHING, Key, Sums, plus, sums_of

__all__ = ["Series", "Shown"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS position (ledger_id TEXT NOT NULL, seq INTEGER NOT NULL, begin_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS series (
    key TEXT PRIMARY KEY, sums TEXT NOT NULL, in_other TEXT NOT NULL, is_own INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS total (currency TEXT PRIMARY KEY, sums TEXT NOT NULL);
"""


_WITHOUT_PRICE: Final = 5
"""Measures that a file of an older version has: the cost, its first, was the price."""


class Shown(NamedTuple):
    """What is sent.

    Attributes:
        ledger_id: Whose sums these are.
        begin_us: Since when they are counted, unix microseconds.
        own: By tenant and model.
        other: The rest, by currency, where there is any.
    """

    ledger_id: str
    begin_us: int
    own: dict[Key, Sums]
    other: dict[str, Sums]


class Series:
    """The file.

    Args:
        path: Made when the first entries come.
        own_max: How many are shown by themselves.
    """

    def __init__(self, path: Path, own_max: int) -> None:
        self._path, self._own_max = path, own_max

    def mark(self) -> Mark | None:
        """The last entry that is counted; None before the first."""
        return mark_in(self._path, _SCHEMA)

    def add(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        """Count entries, and move the position behind them; those before it are counted already."""
        with opened(self._path, _SCHEMA) as db:
            row = db.execute("SELECT seq, begin_us FROM position").fetchone()
            fresh = [entry for entry in entries if row is None or entry.seq > row[0]]
            if not fresh:
                return
            begin_us = fresh[0].booked_us if row is None else row[1]
            for key, sums in sums_of(fresh).items():
                _add(db, "series", "key", _text(key), sums)
                _add(db, "total", "currency", key.currency, sums)
            db.execute("DELETE FROM position")
            db.execute("INSERT INTO position VALUES (?,?,?)", (ledger_id, fresh[-1].seq, begin_us))

    def reset(self) -> None:
        """Forget everything."""
        with opened(self._path, _SCHEMA) as db:
            for table in ("position", "series", "total"):
                db.execute(f"DELETE FROM {table}")

    def shown(self) -> Shown | None:
        """What there is to send; None before the first entry. Noted is what then is part of `other`."""
        if not self._path.exists():
            return None
        with opened(self._path, _SCHEMA) as db:
            row = db.execute("SELECT ledger_id, begin_us FROM position").fetchone()
            if row is None:
                return None
            self._promote(db)
            db.execute("UPDATE series SET in_other = sums WHERE NOT is_own AND in_other <> sums")
            rows = db.execute("SELECT key, sums, in_other FROM series WHERE is_own").fetchall()
            totals = db.execute("SELECT currency, sums FROM total").fetchall()
        own = {_key(key): plus(_sums(sums), _sums(there), -1) for key, sums, there in rows}
        other = {currency: _sums(sums) for currency, sums in totals}
        for key, sums in own.items():
            other[key.currency] = plus(other[key.currency], sums, -1)
        return Shown(row[0], row[1], own, {c: sums for c, sums in other.items() if sums != NOTHING})

    def _promote(self, db: sqlite3.Connection) -> None:
        """Give what room there is to the greatest of those without a series."""
        (taken,) = db.execute("SELECT count(*) FROM series WHERE is_own").fetchone()
        free = self._own_max - taken
        if free <= 0:
            return
        rows = db.execute("SELECT key, sums FROM series WHERE NOT is_own")
        greatest = sorted(((_sums(sums).net, key) for key, sums in rows), reverse=True)[:free]
        db.executemany(
            "UPDATE series SET is_own = 1 WHERE key = ?", [(key,) for _, key in greatest]
        )


def _add(db: sqlite3.Connection, table: str, column: str, key: str, sums: Sums) -> None:
    row = db.execute(f"SELECT sums FROM {table} WHERE {column} = ?", (key,)).fetchone()
    text = json.dumps(plus(sums, NOTHING if row is None else _sums(row[0])))
    if row is not None:
        db.execute(f"UPDATE {table} SET sums = ? WHERE {column} = ?", (text, key))
    elif table == "series":
        db.execute("INSERT INTO series VALUES (?,?,?,0)", (key, text, json.dumps(NOTHING)))
    else:
        db.execute("INSERT INTO total VALUES (?,?)", (key, text))


def _text(key: Key) -> str:
    return json.dumps(key)


def _key(text: str) -> Key:
    return Key(*json.loads(text))


def _sums(text: str) -> Sums:
    added, credited = json.loads(text)
    if len(added) == _WITHOUT_PRICE:
        added, credited = [*added, added[0]], [*credited, credited[0]]
    return Sums(tuple(added), tuple(credited))
