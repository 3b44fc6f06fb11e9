"""What holds no longer although its time is not over: ids, kept in mind until it is. In bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["Spent"]

_KEPT_MAX: Final = 10_000


class Spent:
    """Ids of what was given out until some time, and ended or used before; over the bound the oldest are forgotten."""

    def __init__(self) -> None:
        self._until_us: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until_us)

    def __contains__(self, name: str) -> bool:
        return name in self._until_us

    def add(self, name: str, until_us: int, now_us: int) -> None:
        """Keep one in mind, and let go of those whose time is over.

        Args:
            name: the id.
            until_us: when its time is over, unix microseconds.
            now_us: the time.
        """
        while self._until_us:
            oldest, its_until_us = next(iter(self._until_us.items()))
            if its_until_us > now_us and len(self._until_us) < _KEPT_MAX:
                break
            del self._until_us[oldest]
        self._until_us[name] = until_us
