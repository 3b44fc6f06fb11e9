"""A process that a request starts: its tenant holds there while the request is open here.

The other process cannot see when the request ends, and most processes that outlive theirs serve others too. So a file
that both have mapped says when, by the clock that they share: that costs a look at memory. A process that is started in
`detached()` has none.
"""

from __future__ import annotations

import atexit
import math
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.binding import current_binding
from otel_genai_cost.tenancy.envelope import inject
from otel_genai_cost.tenancy.received import received
from otel_genai_cost.tenancy.scope import Scope

__all__ = ["process_envelope", "process_job"]

_SCOPE: Final = "_genai_cost_scope"
"""Where an envelope names the file."""

_TIME: Final = struct.Struct("=d")
_OPEN_S: Final = math.inf
_LONG_AGO_S: Final = -math.inf


class _OwnEnding:
    """The file, for the process whose scope it is of."""

    def __init__(self) -> None:
        handle, name = tempfile.mkstemp(prefix="genai-cost-scope-")
        try:
            os.write(handle, _TIME.pack(_OPEN_S))
            self._time = mmap.mmap(handle, _TIME.size)
        finally:
            os.close(handle)
        self.path, self._owner = Path(name), os.getpid()
        atexit.register(self._end_with_process)

    @guarded("tenancy.process_end", default=None)
    def end(self, at_s: float) -> None:
        """A process that has not begun by now finds no file. A child that was forked has the object, too."""
        if self._owner == os.getpid() and self.ended_s() is None:
            self._time[:] = _TIME.pack(at_s)
            self.path.unlink(missing_ok=True)
            atexit.unregister(self._end_with_process)

    def _end_with_process(self) -> None:
        self.end(time.monotonic())

    def ended_s(self) -> float | None:
        return _ended_s(self._time)


class _EndingElsewhere:
    """The file, for a process that was started. It has ended if it is not there."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            self._time: mmap.mmap | bytes = _TIME.pack(_LONG_AGO_S)
            return
        try:
            self._time = mmap.mmap(handle, _TIME.size, access=mmap.ACCESS_READ)
        finally:
            os.close(handle)

    def end(self, at_s: float) -> None:
        """It is not ours to end."""

    def ended_s(self) -> float | None:
        return _ended_s(self._time)


def _ended_s(time_s: mmap.mmap | bytes) -> float | None:
    (found,) = _TIME.unpack(time_s[:])
    return None if found == _OPEN_S else found


@guarded("tenancy.process_start", default=None)
def process_envelope() -> dict[str, str] | None:
    """What a process that is started now is given; None if that cannot be made."""
    envelope = inject(dict[str, str]())
    binding = current_binding()
    if binding is not None and binding.scope.ends and binding.scope.closed_s is None:
        envelope[_SCOPE] = str(_file_of(binding.scope))
    return envelope


def _file_of(scope: Scope) -> Path:
    """One for each process that is started: threads of a request may start some at once."""
    if isinstance(scope.elsewhere, _EndingElsewhere):
        return scope.elsewhere.path
    ending = _OwnEnding()
    scope.endings = (*scope.endings, ending)
    if scope.closed_s is not None:
        ending.end(scope.closed_s)
    return ending.path


@contextmanager
def process_job(envelope: Mapping[str, str] | None) -> Generator[None, None, None]:
    """All that a process does which was started with an envelope; nobody's without one.

    Args:
        envelope: of `process_envelope`.
    """
    scope = Scope()
    path = (envelope or {}).get(_SCOPE)
    if path is not None:
        scope.elsewhere = _EndingElsewhere(path)
    with received(envelope, scope).attached():
        yield
