"""Numbers of the last weeks, in order, so that each new one can be compared with what is usual. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Final

__all__ = ["DAY_US", "Recent"]

DAY_US: Final = 86_400_000_000
_KEPT_US: Final = 28 * DAY_US
_KEPT_MAX: Final = 10_000


class Recent:
    """Numbers of the last 28 days, at most 10,000."""

    def __init__(self) -> None:
        self._in_time: deque[tuple[int, int]] = deque()
        self._in_order: list[int] = []

    def __len__(self) -> int:
        return len(self._in_order)

    def forget(self, at_us: int) -> None:
        """Forget what is too old by then.

        Args:
            at_us: unix microseconds.
        """
        while self._in_time and (
            self._in_time[0][0] < at_us - _KEPT_US or len(self._in_time) > _KEPT_MAX
        ):
            _, number = self._in_time.popleft()
            del self._in_order[bisect_left(self._in_order, number)]

    def add(self, at_us: int, number: int) -> None:
        """Take note of a number.

        Args:
            at_us: when it was, unix microseconds; never before the one that was added last.
            number: any.
        """
        self._in_time.append((at_us, number))
        insort(self._in_order, number)

    def rank(self, per_mille: int) -> int:
        """The least number that is not below so many of a thousand; of none there is no such number.

        Args:
            per_mille: 500 for the lower median.
        """
        return self._in_order[max(0, -(-len(self._in_order) * per_mille // 1000) - 1)]
