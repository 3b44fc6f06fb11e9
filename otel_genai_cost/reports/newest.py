"""The newest calls of a time, so many at once: the store knows where they are, and the ledger what they come to, as
`genai-cost charges` has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.charge import Charge, charges
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reports.receipt import charge_record
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import query_parts

__all__ = [
    "CALLS_MAX",
    "Call",
    "NewestCalls",
    "Place",
    "newest_calls",
    "newest_charges",
    "place_in",
]

CALLS_MAX: Final = 200
"""The most calls at once."""

_QUERIES: Final = Path(__file__).parent / "sql"
_SQL: Final = (_QUERIES / "newest.sql").read_text(encoding="utf-8")
_CHARGES_SQL: Final = (_QUERIES / "newest_charges.sql").read_text(encoding="utf-8")
_ROWS_A_CALL: Final = 2
"""Entries read for each call that is wanted: what was corrected has several."""

_SIGN: Final = "-"
_ID_DIGITS: Final = 32
_US_DIGITS_MAX: Final = 17


class Place(NamedTuple):
    """Where a call stands in the order: when it ended, in unix microseconds, and the id of its charge."""

    at_us: int
    charge_id: str

    def __str__(self) -> str:
        """As it is given on."""
        return f"{self.at_us}{_SIGN}{self.charge_id}"


class Call(NamedTuple):
    """A tenant's part of a charge."""

    charge: Charge
    position: Position

    @property
    def record(self) -> dict[str, Any]:
        """As others script against it."""
        at = self.charge.positions.index(self.position)
        return list(charge_record(self.charge))[at]


class NewestCalls(NamedTuple):
    """Some of them, the newest first; `after` is where to go on, None behind the last."""

    calls: tuple[Call, ...]
    after: Place | None


def place_in(text: str) -> Place | None:
    """The place that somebody gave back; None for "".

    Args:
        text: as it was given on.

    Raises:
        ConfigurationError: if it is none.
    """
    if not text:
        return None
    at_us, _, charge_id = text.partition(_SIGN)
    is_time = at_us.isascii() and at_us.isdigit() and len(at_us) <= _US_DIGITS_MAX
    if not is_time or len(charge_id) != _ID_DIGITS or set(charge_id) - set("0123456789abcdef"):
        raise ConfigurationError(
            "after is no place in a list of calls",
            value=text,
            remedy="follow the link to older calls",
        )
    return Place(int(at_us), charge_id)


def newest_calls(
    store: Queryable,
    ledger: Ledger,
    selection: Selection,
    after: Place | None = None,
    count: int = 50,
    until_seq: int | None = None,
) -> NewestCalls:
    """Calls, the newest first.

    Args:
        store: what holds the entries.
        ledger: what knows what each comes to.
        selection: which calls.
        after: only those behind this place.
        count: how many, at most `CALLS_MAX`.
        until_seq: the last entry that counts for where they are.

    Raises:
        LedgerError: if an entry is damaged.
    """
    count = max(1, min(count, CALLS_MAX))
    places: list[Place] = []
    for place in _places(store, selection, after, (count + 1) * _ROWS_A_CALL, until_seq):
        places.append(place)
        if len(places) > count:
            break
    shown, has_more = places[:count], len(places) > count
    found = {one.charge_id: one for one in charges(ledger, [one.charge_id for one in shown])}
    calls = tuple(
        Call(charge, position)
        for place in shown
        if (charge := found.get(place.charge_id)) is not None
        for position in charge.positions
        if position.occurred_us == place.at_us and selection.has(position)
    )
    return NewestCalls(calls, shown[-1] if has_more else None)


def newest_charges(
    store: Queryable, selection: Selection, most: int, until_seq: int | None = None
) -> list[str]:
    """The charges of calls, the newest first.

    Args:
        store: what holds the entries.
        selection: which calls.
        most: of the charges.
        until_seq: the last entry that counts.
    """
    parts = query_parts(["model"], selection, first=2)
    sql = _CHARGES_SQL.format(most=most, **parts.sql)
    return [charge_id for (charge_id,) in store.query(sql, [until_seq, *parts.parameters]).rows]


def _places(
    store: Queryable, selection: Selection, after: Place | None, most: int, until_seq: int | None
) -> Iterator[Place]:
    """Each call once, however many entries it has."""
    parts = query_parts(["model"], selection, first=4)
    sql = _SQL.format(most=most, **parts.sql)
    last = after
    while True:
        asked = (None, None) if last is None else (last.at_us, last.charge_id)
        rows = store.query(sql, [until_seq, *asked, *parts.parameters]).rows
        for at_us, charge_id in rows:
            place = Place(at_us, charge_id)
            if place != last:
                yield place
            last = place
        if len(rows) < most:
            return
