"""The periods of a budget: days, weeks and months of a zone's own calendar. Pure, half-open; they tile all time.

A period begins when its first day does, which is later than midnight where the clock skips that. A day that a zone
leaves out altogether has no length, and no instant is in it.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, Literal, get_args

from otel_genai_cost.pricing.instants import local_clock, midnight_us, zone_of

__all__ = ["ALWAYS", "ANCHOR_MAX", "PERIODS", "PeriodKind", "period"]

PeriodKind = Literal["day", "week", "month", "anchored", "total"]
"""`week` begins on Monday, `month` on the first, `anchored` on a given day of each month, or its last if it is shorter;
`total` is all time."""

PERIODS: Final[tuple[PeriodKind, ...]] = get_args(PeriodKind)
ANCHOR_MAX: Final = 31

ALWAYS: Final = (-(1 << 62), 1 << 62)
"""The one period of `total`, in unix microseconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY: Final = timedelta(days=1)
_US: Final = timedelta(microseconds=1)
_FIRST_US: Final = (datetime(2, 1, 1, tzinfo=timezone.utc) - _EPOCH) // _US
_LAST_US: Final = (datetime(9998, 1, 1, tzinfo=timezone.utc) - _EPOCH) // _US
"""Beyond these the calendar ends within a period; what is said to be then is counted at its end."""

_zone = lru_cache(maxsize=1_000)(zone_of)


def period(kind: PeriodKind, zone: str, anchor: int, at_us: int) -> tuple[int, int]:
    """The period that an instant is in.

    Args:
        kind: of `PERIODS`.
        zone: the IANA name of the zone whose calendar it is.
        anchor: on which day of a month an `anchored` one begins, 1 to 31.
        at_us: unix microseconds.

    Returns:
        Its first instant, and the first after it, in unix microseconds.

    Raises:
        ValueError: if there is no such zone.
    """
    if kind == "total":
        return ALWAYS
    at_us = min(max(at_us, _FIRST_US), _LAST_US)
    its, anchor = _zone(zone), 1 if kind == "month" else anchor
    local = local_clock(at_us, its).date()
    first = _first_day(kind, anchor, local)
    # Where the clock goes back over midnight, the date alone does not say on which side of it an instant is.
    while at_us < (from_us := midnight_us(first, its)):
        first = _first_day(kind, anchor, first - _DAY)
    while at_us >= (to_us := midnight_us(after := _next_first(kind, anchor, first), its)):
        first, from_us = after, to_us
    return from_us, to_us


def _first_day(kind: PeriodKind, anchor: int, day: date) -> date:
    """Of the period that has this day."""
    if kind == "day":
        return day
    if kind == "week":
        return day - timedelta(days=day.weekday())
    first = _of_month(day, anchor)
    return first if first <= day else _of_month(first.replace(day=1) - _DAY, anchor)


def _next_first(kind: PeriodKind, anchor: int, first: date) -> date:
    """The first day of the period after the one that begins on `first`."""
    if kind == "day":
        return first + _DAY
    if kind == "week":
        return first + 7 * _DAY
    following = first.replace(day=1) + timedelta(days=monthrange(first.year, first.month)[1])
    return _of_month(following, anchor)


def _of_month(day: date, anchor: int) -> date:
    """The anchor's day of the month of `day`; its last if it is shorter."""
    return day.replace(day=min(anchor, monthrange(day.year, day.month)[1]))
