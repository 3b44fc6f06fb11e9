"""Instants: RFC 3339 text with an offset outside, integer microseconds UTC inside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

__all__ = ["days_of", "local_clock", "microseconds", "midnight_us", "rfc3339", "zone_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAIVE_EPOCH: Final = _EPOCH.replace(tzinfo=None)
_MICROSECOND: Final = timedelta(microseconds=1)
_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
"""Spelled out, because `fromisoformat` reads another language in each version of Python."""


def microseconds(text: str) -> int:
    """Unix microseconds of an RFC 3339 instant; a finer fraction is cut off.

    Raises:
        ValueError: without an offset, or for no instant at all.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an instant with an offset: {text[:40]!r}")
    day, clock, fraction, offset = match.groups()
    zone = "+00:00" if offset in "Zz" else offset
    instant = datetime.fromisoformat(f"{day}T{clock}{zone}")
    return (instant - _EPOCH) // _MICROSECOND + int((fraction or "")[:6].ljust(6, "0"))


def rfc3339(us: int) -> str:
    """The instant in UTC, with a Z; a fraction only where there is one."""
    seconds, fraction = divmod(us, 1_000_000)
    return f"{_whole_second(seconds)}.{fraction:06d}Z" if fraction else f"{_whole_second(seconds)}Z"


@lru_cache(maxsize=1_024)
def _whole_second(seconds: int) -> str:
    """Kept for a while: what is told in the order of time has many calls of one second."""
    return (_NAIVE_EPOCH + timedelta(seconds=seconds)).isoformat()


def midnight_us(day: date, zone: tzinfo) -> int:
    """Unix microseconds of when a day begins; where the clock skips midnight, when it goes on.

    Args:
        day: of the zone's calendar.
        zone: whose clock.

    Raises:
        OverflowError: at the ends of the calendar, where the zone's offset leads out of it.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (midnight.astimezone(timezone.utc) - _EPOCH) // _MICROSECOND


def local_clock(us: int, zone: tzinfo = timezone.utc) -> datetime:
    """An instant as the clock of a zone shows it.

    Args:
        us: unix microseconds.
        zone: whose clock.
    """
    return (_EPOCH + timedelta(microseconds=us)).astimezone(zone)


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name, or `UTC`.

    Raises:
        ValueError: if there is none of that name, or no zones are installed.
    """
    if name.upper() in ("UTC", "Z"):
        return timezone.utc
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # no application that is metered asks

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no such time zone: {name!r}") from None


def days_of(texts: Iterable[str]) -> frozenset[int]:
    """Days counted from 1970, of dates YYYY-MM-DD.

    Raises:
        ValueError: for no date.
    """
    first = date(1970, 1, 1).toordinal()
    return frozenset(date.fromisoformat(text).toordinal() - first for text in texts)
