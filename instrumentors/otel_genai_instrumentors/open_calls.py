"""Calls that answer in parts and have not ended. Every orderly end of a process ends their spans.

A finalizer may run anywhere, under any lock, so it ends nothing: it notes the time and leaves the call for the next
one that begins, or for the end of the process. A child of a fork ends none of its parent's calls.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections import deque
from typing import Any, Final, Protocol

from otel_genai_cost.errors import guarded
from otel_genai_cost.forks import Process, here

__all__ = ["OpenCall", "Place", "drain", "dropped", "end_all", "opened"]

_OPEN_MAX: Final = 10_000
_FINALIZERS: Final = ("multiprocessing.util", "billiard.util")
"""Their children skip atexit and run finalizers of their own; a process that did not import them is no such child."""

_SHUTDOWN: Final = ("celery.signals", "worker_process_shutdown")
"""Children of Celery's pool run not even those: they send this signal and leave by os._exit."""

_FIRST: Final = 1_000
"""The finalizers' highest priority goes first: while whatever takes the spans still works."""

dropped: dict[str, int] = {"open_streams": 0}
"""Streams that the end of the process does not end, because too many were open at once."""


class OpenCall(Protocol):
    """What is open. `leave` ends it as one that was left at `end_ns`, in Unix nanoseconds; twice is once."""

    def leave(self, end_ns: int | None = None) -> None: ...


class Place:
    """One process's open calls."""

    __slots__ = ("_calls", "_left", "process")

    def __init__(self, process: Process) -> None:
        self.process = process
        self._calls: dict[int, OpenCall] = {}
        self._left: deque[tuple[OpenCall, int]] = deque()

    def add(self, call: OpenCall) -> None:
        if len(self._calls) >= _OPEN_MAX:
            dropped["open_streams"] += 1
        else:
            self._calls[id(call)] = call

    def remove(self, call: OpenCall) -> None:
        """It has ended."""
        self._calls.pop(id(call), None)

    def left(self, call: OpenCall) -> None:
        """Nobody will go on with it. For finalizers: takes no lock, does no I/O."""
        self._left.append((call, time.time_ns()))

    def drain(self) -> None:
        """End those that were left, at the time when they were."""
        while self._left:
            try:
                call, end_ns = self._left.popleft()
            except IndexError:  # another thread took it
                return
            call.leave(end_ns)

    def end(self) -> None:
        """End all: the process does."""
        self.drain()
        for call in [*self._calls.values()]:
            call.leave()


_place: Place | None = None


def opened(call: OpenCall) -> Place:
    """Where a call that begins to answer in parts is kept, until it is removed there."""
    global _place
    place = _place
    if place is None or place.process is not here():
        place = _place = Place(here())
        _arrange()
    place.add(call)
    return place


def drain() -> None:
    """End the calls of this process that were left since the last time."""
    if _place is not None and _place.process is here():
        _place.drain()


@guarded("instrumentor.exit", default=None)
def end_all() -> None:
    """End all calls that this process has open."""
    if _place is not None and _place.process is here():
        _place.end()


@guarded("instrumentor.arrange", default=None)
def _arrange() -> None:
    """Once a process, with its first such call: what was registered before ours at its end still works then."""
    atexit.register(end_all)
    for module in _FINALIZERS:
        finalizing: Any = sys.modules.get(module)
        if finalizing is not None:
            finalizing.Finalize(None, end_all, exitpriority=_FIRST)
    shutdown: Any = getattr(sys.modules.get(_SHUTDOWN[0]), _SHUTDOWN[1], None)
    if shutdown is not None:
        shutdown.connect(_end_all_on_signal, weak=False)


def _end_all_on_signal(**_: Any) -> None:
    end_all()
