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
    """

    __slots__ = ("_may_wait", "_parts")

    def __init__(self, may_wait: Callable[[Any], bool]) -> None:
        self._may_wait = may_wait
        self._parts: list[Any] = []

    def keeps(self, part: Any) -> bool:
        """Keep a part, if it may wait and there is room."""
        if len(self._parts) >= _KEPT_MAX or not self._may_wait(part):
            return False
        self._parts.append(part)
        return True

    @property
    def is_full(self) -> bool:
        """Whether there is no more room, so that all has to be looked into."""
        return len(self._parts) >= _KEPT_MAX

    def take(self, *, whole: bool) -> Sequence[Any]:
        """What was kept, and is from now on no more.

        Args:
            whole: all of it, else the first and the last parts.
        """
        parts, self._parts = self._parts, []
        if whole or len(parts) <= _FIRST + _LAST:
            return parts
        return [*parts[:_FIRST], *parts[-_LAST:]]
