"""Cost over time: stretches of a length that gives a readable number of bars, quiet ones included, by currency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Final, NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reports.selection import Selection, local_time
from otel_genai_cost.reports.tables import Extent, report
from otel_genai_cost.reports.trend import Bar

__all__ = ["LENGTHS", "Timeline", "beginnings", "label", "timelines"]

_BARS_MAX: Final = 48
LENGTHS: Final[Mapping[str, timedelta]] = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
"""What bars may stand for, the shortest first, and how long each is, or nearly."""

_CLOCKS: Final = ("second", "minute", "hour")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Timeline(NamedTuple):
    """The bars of one currency.

    Attributes:
        currency: of every amount.
        unit: what a bar stands for: `second` to `year`.
        bars: in the order of time; at most 48, but for more than so many years.
    """

    currency: str
    unit: str
    bars: tuple[Bar, ...]


def timelines(
    store: Queryable,
    series: Mapping[str | None, str],
    extent: Extent,
    selection: Selection,
    until_seq: int | None = None,
) -> list[Timeline]:
    """Cost over time, stacked by tenant; one for each currency.

    Args:
        store: what holds the entries.
        series: for a tenant, the name of the series that it is shown in.
        extent: of the calls selected.
        selection: which calls, and in whose clock.
        until_seq: the last entry that counts.
    """
    if extent.first_us is None or extent.last_us is None:
        return []
    unit = _unit(extent.last_us - extent.first_us)
    quiet = [*beginnings(extent.first_us, extent.last_us, unit, selection.zone)]
    found: dict[str, dict[str, dict[str, Decimal]]] = {}
    for group in report(store, [unit, "tenant"], selection, until_seq):
        bars = found.setdefault(group.currency, {begin: {} for begin in quiet})
        if group.at_least is not None:
            amounts = bars.setdefault(str(group.keys[unit]), {})
            name = series[group.keys["tenant"]]
            amounts[name] = amounts.get(name, Decimal(0)) + group.at_least
    return [
        Timeline(
            currency,
            unit,
            tuple(Bar(label(at, unit), bars[at]) for at in sorted(bars, key=microseconds)),
        )
        for currency, bars in found.items()
    ]


def _unit(length_us: int) -> str:
    """The finest unit of which there are not too many."""
    length = timedelta(microseconds=length_us)
    return next((unit for unit, one in LENGTHS.items() if length < one * (_BARS_MAX - 1)), "year")


def beginnings(first_us: int, last_us: int, unit: str, zone: tzinfo) -> Iterator[str]:
    """When each stretch begins, as a report names it, quiet ones included.

    Args:
        first_us: an instant in the first, unix microseconds.
        last_us: one in the last.
        unit: `second` to `year`.
        zone: on whose clock.
    """
    first, last = (
        (_EPOCH + timedelta(microseconds=us)).astimezone(zone) for us in (first_us, last_us)
    )
    if unit in _CLOCKS:
        begin = _on_the_clock(first, unit)
        while begin <= last:
            yield _formatted(begin, zone)
            begin = _on_the_clock((begin + LENGTHS[unit]).astimezone(zone), unit)
        return
    day = _on_the_calendar(first.date(), unit)
    while day <= last.date():
        yield _formatted(datetime(day.year, day.month, day.day, tzinfo=zone), zone)
        day = _next(day, unit)


def _formatted(instant: datetime, zone: tzinfo) -> str:
    return local_time(zone, (instant - _EPOCH) // timedelta(microseconds=1))


def _on_the_clock(instant: datetime, unit: str) -> datetime:
    """When its second, minute or hour on its zone's clock began, in UTC: as a report reckons, by the offset it has."""
    into = timedelta(
        minutes=instant.minute if unit == "hour" else 0,
        seconds=instant.second if unit != "second" else 0,
        microseconds=instant.microsecond,
    )
    return instant.astimezone(timezone.utc) - into


def _on_the_calendar(day: date, unit: str) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _next(day: date, unit: str) -> date:
    if unit == "month":
        return (day + timedelta(days=31)).replace(day=1)
    if unit == "year":
        return day.replace(year=day.year + 1)
    return day + LENGTHS[unit]


def label(begin: str, unit: str) -> str:
    """The beginning of a stretch, as short as a bar is narrow.

    Args:
        begin: as a report names it.
        unit: what it is.
    """
    day, clock = begin[:10], begin[11:19]
    if unit in ("day", "week"):
        return day[5:]
    if unit in ("month", "year"):
        return day[:7] if unit == "month" else day[:4]
    return clock if unit == "second" else f"{day[5:]} {clock[:5]}"
