"""The periods of statements: of each tenant in its own zone, named by their first day. Pure; they tile all time.

Where a tenant's zone changes, the period of the old zone ends at that instant and one of the new zone begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta, timezone
from functools import lru_cache
from typing import Final, NamedTuple

from otel_genai_cost.ledger.tenants.directory import Directory, joined_stretches
from otel_genai_cost.ledger.tenants.row import FOREVER_US, TenantRow
from otel_genai_cost.limits.period import ANCHOR_MAX, PeriodKind, period
from otel_genai_cost.pricing.instants import local_clock, midnight_us, zone_of
from otel_genai_cost.statements.statement import Cadence

__all__ = [
    "Calendar",
    "Period",
    "Zones",
    "calendar_of",
    "first_day_of",
    "label_of",
    "reach",
    "whole_us",
]

_KINDS: Final[dict[Cadence, PeriodKind]] = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "anchored": "anchored",
}
_MONTH: Final = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_WEEK: Final = re.compile(r"(\d{4})-W(\d\d)", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NOON_US: Final = 43_200_000_000
_REACH_US: Final = 15 * 3_600_000_000
"""By how much the midnight of a zone is away from that of UTC at most."""


class Calendar(NamedTuple):
    """Which periods are meant: their cadence, and on which day of a month anchored ones begin."""

    cadence: Cadence
    anchor: int = 1


class Period(NamedTuple):
    """A period in [from, to), unix microseconds, of a zone's calendar, and its first day there."""

    from_us: int
    to_us: int
    zone: str
    first_day: date


def calendar_of(text: str, cadence: Cadence | None, anchor: int | None) -> tuple[Calendar, date]:
    """The period that somebody names.

    Args:
        text: 2026-10, 2026-W41, or a day: the daily period, or that which has the day by `cadence`.
        cadence: None for that which the text speaks of.
        anchor: the day of the month on which an anchored period begins, None for none.

    Returns:
        The calendar, and the first day of the period.

    Raises:
        ValueError: if it names none, or contradicts itself; says what is wrong.
    """
    found, day = _named(text)
    if cadence is None:
        cadence = found if anchor is None else "anchored"
    if (cadence == "anchored") != (anchor is not None):
        raise ValueError("an anchored period, and no other, needs the day on which it begins")
    if found not in ("daily", cadence) and (found, cadence) != ("monthly", "anchored"):
        raise ValueError(f"that is a {found} period, not a {cadence} one")
    if anchor is not None and not 1 <= anchor <= ANCHOR_MAX:
        raise ValueError("the anchor is a day of the month, 1 to 31")
    calendar = Calendar(cadence, anchor or 1)
    if cadence == "anchored" and found == "monthly":
        day = _last_of_month(day)
    return calendar, first_day_of(calendar, day)


def _named(text: str) -> tuple[Cadence, date]:
    if _DAY.fullmatch(text):
        return "daily", date.fromisoformat(text)
    if week := _WEEK.fullmatch(text):
        return "weekly", date.fromisocalendar(int(week[1]), int(week[2]), 1)
    if month := _MONTH.fullmatch(text):
        return "monthly", date(int(month[1]), int(month[2]), 1)
    raise ValueError("write 2026-10, 2026-W41 or 2026-10-05")


def _last_of_month(day: date) -> date:
    """The anchored period that is named by a month begins in it, however late."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


@lru_cache(maxsize=4_096)
def first_day_of(calendar: Calendar, day: date) -> date:
    """The first day of the period that has a day, in whatever zone."""
    from_us, _ = _in_utc(calendar, day)
    return local_clock(from_us).date()


def _in_utc(calendar: Calendar, day: date) -> tuple[int, int]:
    at_us = midnight_us(day, timezone.utc) + _NOON_US
    return period(_KINDS[calendar.cadence], "UTC", calendar.anchor, at_us)


def label_of(calendar: Calendar, first_day: date) -> str:
    """How a period is named: 2026-10, 2026-W41, or its first day."""
    if calendar.cadence == "monthly":
        return f"{first_day:%Y-%m}"
    if calendar.cadence == "weekly":
        year, week, _ = first_day.isocalendar()
        return f"{year}-W{week:02d}"
    return first_day.isoformat()


class Zones:
    """In which zone each tenant is, and when: what its own rows say, and UTC where they do not.

    Args:
        directory: who the tenants are.
        otherwise: the zone of tenants whose rows name none, and of calls that are nobody's.
    """

    def __init__(self, directory: Directory, otherwise: str = "UTC") -> None:
        self._otherwise = otherwise
        self._always = ((-FOREVER_US, FOREVER_US, otherwise),)
        rows: dict[str, list[TenantRow]] = {}
        for row in directory.rows:
            if row.merged_into is None:
                rows.setdefault(row.tenant, []).append(row)
        self._stretches = {
            tenant: tuple(joined_stretches(self._of(own))) for tenant, own in rows.items()
        }
        self._last: dict[tuple[str | None, Calendar], Period] = {}

    def _of(self, rows: Sequence[TenantRow]) -> Iterator[tuple[int, int, str]]:
        """A row's zone holds until the next row, and that of the first one before it as well."""
        begins = [-FOREVER_US, *(row.from_us for row in rows[1:]), FOREVER_US]
        for row, from_us, to_us in zip(rows, begins, begins[1:], strict=False):
            yield from_us, to_us, row.billing.time_zone or self._otherwise

    def period(self, tenant: str | None, calendar: Calendar, at_us: int) -> Period:
        """The period of a tenant that an instant is in.

        Args:
            tenant: its id; None for calls that are nobody's.
            calendar: which periods.
            at_us: unix microseconds.
        """
        known = self._last.get((tenant, calendar))
        if known is not None and known.from_us <= at_us < known.to_us:
            return known
        for from_us, to_us, zone in self._stretches.get(tenant or "", self._always):
            if from_us <= at_us < to_us:
                whole = _whole(calendar, zone, at_us)
                break
        else:  # stretches tile all time
            raise AssertionError(at_us)
        found = whole._replace(from_us=max(whole.from_us, from_us), to_us=min(whole.to_us, to_us))
        self._last[tenant, calendar] = found
        return found

    def periods(self, tenant: str | None, calendar: Calendar, first_day: date) -> list[Period]:
        """The periods of a tenant that begin with a day: one, or two where its zone changes within.

        Args:
            tenant: its id; None for calls that are nobody's.
            calendar: which periods.
            first_day: of a period, in the zone's own calendar.
        """
        found: list[Period] = []
        for from_us, to_us, zone in self._stretches.get(tenant or "", self._always):
            whole = _whole(calendar, zone, midnight_us(first_day, zone_of(zone)))
            since_us, until_us = max(whole.from_us, from_us), min(whole.to_us, to_us)
            if whole.first_day == first_day and since_us < until_us:
                found.append(whole._replace(from_us=since_us, to_us=until_us))
        return found


@lru_cache(maxsize=65_536)
def _whole(calendar: Calendar, zone: str, at_us: int) -> Period:
    """The period of a zone's calendar."""
    from_us, to_us = period(_KINDS[calendar.cadence], zone, calendar.anchor, at_us)
    first = local_clock(from_us, zone_of(zone)).date()
    return Period(from_us, to_us, zone, first)


def whole_us(calendar: Calendar, period: Period) -> int:
    """How long a period were if the tenant's zone did not change within, in microseconds.

    Args:
        calendar: whose period it is.
        period: of a tenant.
    """
    whole = _whole(calendar, period.zone, period.from_us)
    return whole.to_us - whole.from_us


def reach(calendar: Calendar, first_days: Iterable[date]) -> tuple[int, int]:
    """The time that periods which begin with these days are in, whatever the zone: unix microseconds, half-open."""
    found = [_in_utc(calendar, day) for day in first_days]
    return min(one for one, _ in found) - _REACH_US, max(one for _, one in found) + _REACH_US
