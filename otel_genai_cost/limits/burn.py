"""How fast a budget burns: what is spent in a window, by what the budget allows in it. Pure.

A budget that is used up evenly burns at 1. Even means as its own week goes: who works from Monday to Friday may spend
more then than on Sunday. Each rate has to hold over a long window, so that it matters, and over a short one, so that it
is not over already.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from otel_genai_cost.limits.exceeded import Exceeded
from otel_genai_cost.limits.hourly import HOUR_US, WEEK_H, Profile, dense
from otel_genai_cost.pricing.money import ATTO

__all__ = ["BURN_WINDOWS", "SLOT_US", "BurnWindow", "burns"]

SLOT_US: Final = HOUR_US // 12
"""Five minutes: how finely spending has to be known."""

_SLOTS: Final = HOUR_US // SLOT_US
_LEAST: Final = ATTO
_LEAST_OF_BUDGET: Final = 200
"""One part of so many, 0.5 %."""


class BurnWindow(NamedTuple):
    """Two windows, and the rate that is exceeded in both: `per_mille` of an even pace."""

    long_slots: int
    short_slots: int
    per_mille: int


BURN_WINDOWS: Final = (
    BurnWindow(_SLOTS, 1, 14_400),
    BurnWindow(6 * _SLOTS, _SLOTS // 2, 6_000),
    BurnWindow(72 * _SLOTS, 6 * _SLOTS, 1_000),
)
"""Of a month 2 % in an hour, 5 % in six, 10 % in three days."""


class _Allowed:
    """What a budget allows in a window: of its limit as much as of what is usual in a period is usual in the window.

    Args:
        spent: atto by slot since the epoch.
        limit: atto of a period.
        period_h: how long a period is.
    """

    def __init__(self, spent: Mapping[int, int], limit: int, period_h: int) -> None:
        self._limit, self._period_h = limit, period_h
        hourly: dict[int, int] = {}
        for slot, amount in spent.items():
            hour = slot // _SLOTS
            hourly[hour] = hourly.get(hour, 0) + amount
        self._first_h = min(hourly)
        profile, usual = Profile(), list[int]()
        self._weeks: list[int] = []
        for hour, amount in enumerate(dense(hourly, self._first_h, max(hourly) + 1), self._first_h):
            usual.append(profile.usual(hour))
            self._weeks.append(profile.week)
            profile.add(hour, amount)
        self._before = [0, *accumulate(usual)]

    def in_slots(self, slot: int, slots: int) -> int:
        """Atto that an even pace comes to in the slots that end with this one."""
        hour = slot // _SLOTS - self._first_h
        hours, week = max(1, slots // _SLOTS), self._weeks[hour]
        if week <= 0 or hour < WEEK_H:
            return self._limit * slots // (_SLOTS * self._period_h)
        usual = self._before[hour + 1] - self._before[hour + 1 - hours]
        return self._limit * usual * WEEK_H * slots // (week * self._period_h * hours * _SLOTS)


def burns(spent: Mapping[int, int], limit: int, period_us: tuple[int, int]) -> Iterator[Exceeded]:
    """Every five minutes at whose end a budget burns too fast, with the first window that says so; `expected` is what
    an even pace comes to in the long one.

    Args:
        spent: atto by slot of five minutes since the epoch, in all periods.
        limit: atto of a period.
        period_us: one of them, half-open, unix microseconds; its length is what counts.
    """
    if not spent:
        return
    slots = sorted(spent)
    before = [0, *accumulate(spent[slot] for slot in slots)]
    allowed = _Allowed(spent, limit, max(1, (period_us[1] - period_us[0]) // HOUR_US))

    def sums(end: int, length: int) -> int:
        return before[end] - before[bisect_right(slots, slots[end - 1] - length)]

    for end, slot in enumerate(slots, 1):
        for window in BURN_WINDOWS:
            observed = sums(end, window.long_slots)
            if observed < max(_LEAST, limit // _LEAST_OF_BUDGET):
                continue
            expected = allowed.in_slots(slot, window.long_slots)
            in_short = allowed.in_slots(slot, window.short_slots)
            if (
                1000 * observed > window.per_mille * expected
                and 1000 * sums(end, window.short_slots) > window.per_mille * in_short
            ):
                hours = window.long_slots // _SLOTS
                yield Exceeded(slot // _SLOTS, "burn", hours, observed, expected)
                break
