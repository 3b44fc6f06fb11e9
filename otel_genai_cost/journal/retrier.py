"""The daemon thread that writes what waits, once it can be written."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Final

__all__ = ["RETRY_EVERY_S", "Retrier"]

RETRY_EVERY_S: Final = 5.0


class Retrier:
    """Calls a method every few seconds until it says that nothing waits any more, or its object is gone. `start` and
    `done` are called with the object's lock held.

    Args:
        retry: the method; True when nothing waits.
    """

    def __init__(self, retry: Callable[[], bool]) -> None:
        self._retry = weakref.WeakMethod(retry)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=_run,
                args=(self._retry, threading.Event()),
                name="genai-cost-journal",
                daemon=True,
            )
            self._thread.start()

    def done(self) -> None:
        """The thread ends, and the next `start` begins another."""
        self._thread = None


def _run(retry: weakref.WeakMethod[Callable[[], bool]], wake: threading.Event) -> None:
    while not wake.wait(RETRY_EVERY_S):
        method = retry()
        if method is None or method():
            return
        del method
