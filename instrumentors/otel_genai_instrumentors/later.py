"""Parts of a stream that, as far as is seen without unpacking them, bring nothing but text: kept as they came, and
looked into only when it matters what was in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["Later"]

_KEPT_MAX: Final = 4_096
_FIRST: Final = 2
_LAST: Final = 4
"""Of an answer that has come to its end, so many parts may say something of the whole: who answers, why it ended."""


class Later:
    """What one stream keeps.

    Args:
        may_wait: whether a part may wait.

    Attributes:
        may_wait: the same.
        room: how many parts there is room for; without any, all has to be looked into.
    """

    __slots__ = ("_parts", "keep", "may_wait", "room")

    def __init__(self, may_wait: Callable[[Any], bool]) -> None:
        self.may_wait = may_wait
        self._begin()

    def _begin(self) -> None:
        self._parts: list[Any] = []
        self.keep, self.room = self._parts.append, _KEPT_MAX

    def take(self, *, whole: bool) -> Sequence[Any]:
        """What was kept, and is from now on no more.

        Args:
            whole: all of it, else the first and the last parts.
        """
        parts = self._parts
        self._begin()
        if whole or len(parts) <= _FIRST + _LAST:
            return parts
        return [*parts[:_FIRST], *parts[-_LAST:]]
