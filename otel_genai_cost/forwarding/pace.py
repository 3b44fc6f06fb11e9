"""When to try again: soon at first, then less often, never all senders at once. Pure but for its dice."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["Pace"]

_FIRST_S: Final = 0.25
_LAST_S: Final = 15.0
_RETRY_AFTER_MAX_S: Final = 300.0


class Pace:
    """How long a sender waits after failures.

    Args:
        dice: for the jitter; a seeded one in simulations.
    """

    def __init__(self, dice: random.Random | None = None) -> None:
        self._dice = dice or random.Random()
        self._failures = 0
        self.due_s = 0.0
        """Not before, on the clock that `failed` is given."""

    @property
    def is_well(self) -> bool:
        """Whether the last attempt was no failure."""
        return self._failures == 0

    def failed(self, now_s: float, retry_after_s: float | None) -> None:
        """Wait longer than the last time, and at least as long as the receiver says.

        Args:
            now_s: the time on a monotonic clock.
            retry_after_s: what the receiver said, if it did.
        """
        most_s = min(_LAST_S, _FIRST_S * 2 ** min(self._failures, 16))
        self._failures += 1
        pause_s = self._dice.uniform(most_s / 2, most_s)
        if retry_after_s is not None:
            asked_s = min(retry_after_s, _RETRY_AFTER_MAX_S)
            pause_s = max(pause_s, self._dice.uniform(asked_s, asked_s * 1.25))
        self.due_s = now_s + pause_s

    def succeeded(self) -> None:
        """Wait no longer."""
        self._failures, self.due_s = 0, 0.0
