"""Hours and days by which a price changes: windows of the UTC day, weekdays, and a calendar of excepted days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

__all__ = ["CLOCK", "WEEKDAYS", "Clock", "clock_of", "minutes"]

CLOCK: Final = ("hours_utc", "weekdays", "except_calendar")
"""Keys of `when` that look at the time of a call."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MINUTE_US: Final = 60_000_000
_DAY_MINUTES: Final = 1_440
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday."""


class Clock(NamedTuple):
    """When a row holds: half-open windows in minutes of the UTC day, days of the week (0 is Monday), and days since
    1970 on which it does not hold."""

    windows: tuple[tuple[int, int], ...]
    weekdays: frozenset[int]
    excepted: frozenset[int] = frozenset()

    def strikes(self, at_us: int) -> bool:
        """Whether the instant lies in a window of a day that counts."""
        day, minute = divmod(at_us // _MINUTE_US, _DAY_MINUTES)
        if (day + _EPOCH_WEEKDAY) % 7 not in self.weekdays or day in self.excepted:
            return False
        return any(start <= minute < end for start, end in self.windows)

    def meets(self, other: Clock) -> bool:
        """Whether both may hold at one instant; their calendars are not looked at."""
        return bool(self.weekdays & other.weekdays) and any(
            start < other_end and other_start < end
            for start, end in self.windows
            for other_start, other_end in other.windows
        )


def clock_of(when: Mapping[str, Any], calendars: Mapping[str, frozenset[int]]) -> Clock | None:
    """The clock of a checked row's `when`; None where it names no time."""
    if not any(key in when for key in CLOCK):
        return None
    windows = [part for text in when.get("hours_utc", ["00:00-24:00"]) for part in minutes(text)]
    named = frozenset(map(WEEKDAYS.index, when.get("weekdays", WEEKDAYS)))
    return Clock(
        tuple(sorted(windows)), named, calendars.get(when.get("except_calendar", ""), frozenset())
    )


def minutes(text: str) -> tuple[tuple[int, int], ...]:
    """The minutes of `HH:MM-HH:MM`; one that ends at or before its start goes on past midnight, as two windows.

    Raises:
        ValueError: for anything else.
    """
    start, end = map(_minute, text.split("-"))
    if start < end:
        return ((start, end),)
    return ((start, _DAY_MINUTES), (0, end)) if end else ((start, _DAY_MINUTES),)


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    if len(text) != 5 or not (hour + minute).isdecimal() or int(minute) > 59:
        raise ValueError(f"not HH:MM: {text!r}")
    if (found := int(hour) * 60 + int(minute)) > _DAY_MINUTES:
        raise ValueError(f"no time of a day: {text!r}")
    return found
