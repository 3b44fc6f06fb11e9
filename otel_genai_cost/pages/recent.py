"""What takes longer than a page may: it is found out by a thread of its own, and pages show what was found last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from otel_genai_cost.errors import fence

__all__ = ["Recent"]

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """For any thread.

    Args:
        make: finds it out; what it raises is logged, and what was found before stays.
        every_s: after so long it is found out again, if anybody asks; no sooner, whether it was found out or not.
        clock_us: the time, unix microseconds.
    """

    def __init__(
        self,
        make: Callable[[], _T],
        every_s: float,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._make, self._every_us, self._clock_us = make, int(every_s * 1_000_000), clock_us
        self._lock = threading.Lock()
        self._found: tuple[_T, int] | None = None
        self._asked_us: int | None = None
        self._thread: threading.Thread | None = None

    def get(self) -> tuple[_T, int] | None:
        """What was found last, and when (unix microseconds); None if it is being found out for the first time."""
        with self._lock:
            found = self._found
            now_us, asked_us = self._clock_us(), self._asked_us
            is_old = asked_us is None or abs(now_us - asked_us) > self._every_us
            if is_old and (self._thread is None or not self._thread.is_alive()):
                self._asked_us = now_us
                self._thread = threading.Thread(
                    target=self._look, name="genai-cost-look", daemon=True
                )
                self._thread.start()
            return found

    def wait(self, timeout_s: float) -> None:
        """Until what is being found out is known, at most so long."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _look(self) -> None:
        with fence("pages.look"):
            at_us = self._clock_us()
            found = self._make()
            with self._lock:
                self._found = found, at_us
