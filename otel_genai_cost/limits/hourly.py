"""What somebody spent, hour by hour, and what is usual for them in an hour of the week. Pure.

Hours are counted from the epoch, in UTC: hour 0 begins with 1970, which was a Thursday.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

__all__ = ["DAY_H", "HOUR_US", "WEEK_H", "Profile", "dense", "sums"]

HOUR_US: Final = 3_600_000_000
DAY_H: Final = 24
WEEK_H: Final = 7 * DAY_H

_FLAT_H: Final = 14 * DAY_H
_WEEKS_KEPT: Final = 4


def dense(spent: Mapping[int, int], first_h: int, end_h: int) -> list[int]:
    """What was spent in each hour from `first_h` to before `end_h`, quiet ones included.

    Args:
        spent: atto by hour.
        first_h, end_h: hours since the epoch.
    """
    return [spent.get(hour, 0) for hour in range(first_h, end_h)]


def sums(spent: Sequence[int], window_h: int) -> list[int]:
    """For each hour the sum of the window that ends with it; where that reaches back before the first, what there is.

    Args:
        spent: atto by hour.
        window_h: how many hours a window has.
    """
    before = [0, *accumulate(spent)]
    return [before[end] - before[max(0, end - window_h)] for end in range(1, len(before))]


class Profile:
    """What is usual in each hour of the week: the lower median of up to four weeks, so that one bad day is not taken
    for a habit; for the first two weeks the same in every hour."""

    def __init__(self) -> None:
        self._hours = self._sum = self._week = 0
        self._weeks: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=_WEEKS_KEPT))

    def usual(self, hour: int) -> int:
        """Atto that are usual in an hour, from what was added before it; 0 where nothing was.

        Args:
            hour: since the epoch.
        """
        if self._hours < _FLAT_H:
            return self._sum // self._hours if self._hours else 0
        return self._in_hour_of_week(hour)

    @property
    def week(self) -> int:
        """Atto that are usual in a whole week."""
        if self._hours < _FLAT_H:
            return self._sum * WEEK_H // self._hours if self._hours else 0
        return self._week

    def _in_hour_of_week(self, hour: int) -> int:
        weeks = sorted(self._weeks[hour % WEEK_H])
        return weeks[(len(weeks) - 1) // 2] if weeks else 0

    def add(self, hour: int, spent: int) -> None:
        """Take note of an hour; each comes once, in order.

        Args:
            hour: since the epoch.
            spent: atto.
        """
        self._hours += 1
        self._sum += spent
        self._week -= self._in_hour_of_week(hour)
        self._weeks[hour % WEEK_H].append(spent)
        self._week += self._in_hour_of_week(hour)
