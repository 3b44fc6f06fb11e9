"""What the ledger has of a provider's calls: quantities and amounts by half an hour, model, leaf and price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.pricing.instants import local_clock, midnight_us
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import atto_of

__all__ = [
    "KEY_COLUMNS",
    "SLOT_US",
    "Ours",
    "check_key",
    "condition_of",
    "day_and_edge",
    "key_column",
    "ours",
    "selection_of_days",
    "usage_column",
]

SLOT_US: Final = 1_800_000_000
"""Half an hour: days of every provider begin with one, and calls around midnight fall into two of them."""

KEY_COLUMNS: Final = ("service", "tenant", "feature", "plan", "workflow", "agent")
"""What of ours may stand for a provider's key or project, the first that fits where nobody says."""

_SQL: Final = Path(__file__).parent / "sql"
_RATED: Final = (_SQL / "rated.sql").read_text(encoding="utf-8")
_BY_REQUEST: Final = (_SQL / "by_request.sql").read_text(encoding="utf-8")
_UNRATED: Final = (_SQL / "unrated.sql").read_text(encoding="utf-8")

_Place = tuple[int, str | None, str | None, str, str | None, str]


class Ours(NamedTuple):
    """A sum over entries.

    Attributes:
        slot: half hours since 1970; of those of a day that are not at its ends, one stands for all.
        provider, model, currency: as booked.
        key: what stands for the provider's key; None where nothing does.
        leaf: of the usage.
        price: of a unit, as published; None where there is no rate, or the provider's own figure was booked.
        quantity: of the leaf's units.
        amount: atto; what the provider takes by our books.
        list_amount: atto; before what it gives us.
    """

    slot: int
    provider: str | None
    model: str | None
    currency: str
    key: str | None
    leaf: str
    price: str | None
    quantity: int
    amount: int
    list_amount: int


def ours(
    store: Queryable,
    selection: Selection,
    providers: Sequence[str],
    key: str | None = None,
    by_request: bool = False,
) -> list[Ours]:
    """What the ledger has.

    Args:
        store: what holds the entries.
        selection: of which time.
        providers: as booked; none are all.
        key: the column of KEY_COLUMNS that stands for the provider's keys; None for none.
        by_request: whether each call is one request at whatever it came to, since the bill says no more.
    """
    condition, parameters = condition_of(selection, providers)
    column = "NULL" if key is None else f'"{key}"'
    parts = {"key": column, "slot": _slot_column(selection), "condition": condition}
    if by_request:
        return [_ours(row) for row in store.query(_BY_REQUEST.format(**parts), parameters).rows]
    rated = store.query(_RATED.format(**parts), parameters).rows
    found = [_ours(row) for row in rated]
    with_reason = dict[_Place, int]()
    for row in rated:
        place = _place(row)
        with_reason[place] = with_reason.get(place, 0) + row[10]
    unrated = store.query(_UNRATED.format(**parts), parameters).rows
    return [*found, *_without_rate(unrated, with_reason)]


def _slot_column(selection: Selection) -> str:
    """The slot of a call in SQL. What is not at an end of a day is one, so that a bill of many keys has three sums of a
    day for each, and not forty-eight."""
    slot = f"epoch_us(occurred) // {SLOT_US}"
    if selection.from_us is None or selection.to_us is None:
        return slot
    first = selection.from_us // SLOT_US
    standing: list[int] = []
    known: dict[tuple[str, str], int] = {}
    for n in range(first, (selection.to_us - 1) // SLOT_US + 1):
        day, edge = day_and_edge(n, selection.zone)
        standing.append(n if edge else known.setdefault((day, edge), n))
    return f"{standing}[{slot} - {first - 1}]"


def _without_rate(rows: Iterable[Sequence[Any]], rated: dict[_Place, int]) -> Iterator[Ours]:
    for row in rows:
        place = _place(row)
        if left := row[6] - rated.get(place, 0):
            yield Ours(*place, None, left, 0, 0)


def key_column(
    store: Queryable, selection: Selection, providers: Sequence[str], keys: Iterable[str]
) -> str | None:
    """The column of ours whose values are a bill's keys; None if there is none.

    Args:
        store: what holds the entries.
        selection: of which time.
        providers: as booked; none are all.
        keys: of the bill.
    """
    wanted = set(keys)
    condition, parameters = condition_of(selection, providers)
    for column in KEY_COLUMNS if wanted else ():
        sql = f'SELECT DISTINCT "{column}" FROM entries WHERE {condition}'
        if not wanted.isdisjoint(row[0] for row in store.query(sql, parameters).rows):
            return column
    return None


def day_and_edge(slot: int, zone: tzinfo) -> tuple[str, str]:
    """The day that half an hour belongs to, and whether it is its first (`early`), its last (`late`) or neither.

    Args:
        slot: half hours since 1970.
        zone: whose days.
    """
    begin = local_clock(slot * SLOT_US, zone)
    clock = (begin.hour, begin.minute)
    edge = {(0, 0): "early", (23, 30): "late"}.get(clock, "")
    return begin.date().isoformat(), edge


def check_key(name: str) -> str | None:
    """The column of that name; None for `none`.

    Args:
        name: as somebody wrote it.

    Raises:
        ConfigurationError: for any other.
    """
    if name == "none":
        return None
    if name not in KEY_COLUMNS:
        raise ConfigurationError(
            "no such column",
            value=name,
            where="--key",
            remedy=f"one of: none, {', '.join(KEY_COLUMNS)}",
        )
    return name


def selection_of_days(days: tuple[str, str], zone: tzinfo) -> Selection:
    """The calls of these days, the last included.

    Args:
        days: the first and the last.
        zone: whose.
    """
    first, last = (date.fromisoformat(day) for day in days)
    return Selection(
        from_us=midnight_us(first, zone),
        to_us=midnight_us(last + timedelta(days=1), zone),
        zone=zone,
    )


def condition_of(selection: Selection, providers: Sequence[str]) -> tuple[str, list[Any]]:
    """What selects the entries of these providers in SQL, and its parameters.

    Args:
        selection: of which time.
        providers: as booked; none are all.
    """
    condition, parameters = selection.condition(1)
    if providers:
        places = ", ".join(f"${len(parameters) + n}" for n in range(1, len(providers) + 1))
        condition = f"{condition} AND provider IN ({places})"
        parameters = [*parameters, *providers]
    return condition, parameters


def usage_column(by_request: bool) -> str:
    """What an entry used, in SQL.

    Args:
        by_request: whether that is one request.
    """
    return """'{"requests":' || calls || '}'""" if by_request else "usage"


def _place(row: Sequence[Any]) -> _Place:
    slot, provider, model, currency, key, leaf = row[:6]
    return slot, provider, model, currency, key, leaf


def _ours(row: Sequence[Any]) -> Ours:
    return Ours(*_place(row), row[6], row[7], atto_of(row[8]), atto_of(row[9]))
