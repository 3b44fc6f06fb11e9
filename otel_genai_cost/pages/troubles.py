"""What became of calls, kept between requests: a ledger is looked through once, and then only what is new of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.usage.read import Reading

__all__ = ["Troubles"]

_NEWEST: Final = 50_000
"""Observations that are looked at again for each request: what is new may be counted for another charge soon."""

_AGAIN_S: Final = 600.0
"""After so long all are looked at again: what is late may make one call of two that were counted long ago."""


class Troubles:
    """For any thread.

    Args:
        clock_s: the time, in seconds from anywhere.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._ledger_id, self._until, self._read_s = "", 0, 0.0
        self._older: list[tuple[str, Reading]] = []

    def readings(self, ledger: Ledger) -> list[tuple[str, Reading]]:
        """Charges of calls that failed, were sent again or fell back, as `ledger.observations.troubled` has them.

        Args:
            ledger: the same each time, or another.

        Raises:
            LedgerError: if an observation is damaged.
        """
        found, last = ledger.observations, ledger.observations.last_row()
        with self._lock:
            now_s = self._clock_s()
            if (
                ledger.id != self._ledger_id
                or now_s - self._read_s > _AGAIN_S
                or last < self._until
            ):
                self._ledger_id, self._until, self._read_s, self._older = ledger.id, 0, now_s, []
            if last - self._until > 2 * _NEWEST:
                until = last - _NEWEST
                self._older = [*self._older, *found.troubled(self._until, until)]
                self._until = until
            older, until = self._older, self._until
        return [*older, *found.troubled(until)]
