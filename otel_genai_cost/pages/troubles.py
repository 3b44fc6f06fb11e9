"""What became of calls, kept between requests: a ledger is looked through once, and then only what is new of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final, NamedTuple

from otel_genai_cost.errors import fence
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.usage.read import Reading

__all__ = ["Troubles"]

_NEWEST: Final = 20_000
"""Observations that are looked at again for each request: what is new may be counted for another charge soon."""

_AGAIN_S: Final = 600.0
"""After so long all are looked at again, by a thread of its own: what is late may make one call of two that were
counted long ago. Until it is done, requests have what is known."""


class _Known(NamedTuple):
    """What was found in the rows of a ledger up to one, and when it was begun with."""

    ledger_id: str
    until: int
    began_s: float
    found: list[tuple[str, Reading]]


class Troubles:
    """For any thread.

    Args:
        clock_s: the time, in seconds from anywhere.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._known = _Known("", 0, 0.0, [])
        self._thread: threading.Thread | None = None

    def readings(self, ledger: Ledger, opened: Callable[[], Ledger]) -> list[tuple[str, Reading]]:
        """Charges of calls that failed, were sent again or fell back, as `ledger.observations.troubled` has them.

        Args:
            ledger: the same each time, or another.
            opened: opens it once more, for a thread that looks through all of it again.

        Raises:
            LedgerError: if an observation is damaged.
        """
        last = ledger.observations.last_row()
        with self._lock:
            if ledger.id != self._known.ledger_id or last < self._known.until:
                self._known = _Known(ledger.id, 0, self._clock_s(), [])
            if last - self._known.until > 2 * _NEWEST:
                self._known = _further(self._known, ledger, last)
            known = self._known
            if self._clock_s() - known.began_s > _AGAIN_S and not self._is_looking:
                self._thread = threading.Thread(
                    target=self._again, args=(opened,), name="genai-cost-troubles", daemon=True
                )
                self._thread.start()
        return [*known.found, *ledger.observations.troubled(known.until)]

    def wait(self, timeout_s: float) -> None:
        """Until all was looked at again, at most so long.

        Args:
            timeout_s: seconds.
        """
        if self._thread is not None:
            self._thread.join(timeout_s)

    @property
    def _is_looking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _again(self, opened: Callable[[], Ledger]) -> None:
        with fence("pages.troubles"), closing(opened()) as ledger:
            begun = _Known(ledger.id, 0, self._clock_s(), [])
            found = _further(begun, ledger, ledger.observations.last_row())
            with self._lock:
                if self._known.ledger_id == found.ledger_id:
                    self._known = found


def _further(known: _Known, ledger: Ledger, last: int) -> _Known:
    """The same with older rows, all but the newest."""
    until = max(known.until, last - _NEWEST)
    more = ledger.observations.troubled(known.until, until)
    return known._replace(until=until, found=[*known.found, *more])
