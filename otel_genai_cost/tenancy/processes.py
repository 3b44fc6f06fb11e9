"""A process that a request starts: its tenant holds there while the request is open here.

The other process cannot see when the request ends, and most processes that outlive theirs serve others too. So a file
that both have mapped says when, by the clock that they share: that costs a look at memory. A process that is started in
`detached()` has none.

A process that is killed cannot say so. It holds a lock on its files, which the system takes away with it: whoever was
started by it sees that within a second, and what nobody looks at is removed by whoever next makes such a file.
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
from itertools import islice
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.binding import current_binding
from otel_genai_cost.tenancy.envelope import inject
from otel_genai_cost.tenancy.received import received
from otel_genai_cost.tenancy.scope import Scope

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["process_envelope", "process_job"]

_SCOPE: Final = "_genai_cost_scope"
"""Where an envelope names the file."""

_TIME: Final = struct.Struct("=d")
_cleared: list[bool] = []
_OPEN_S: Final = math.inf
_LONG_AGO_S: Final = -math.inf


_PREFIX: Final = "genai-cost-scope-"
_LOOK_EVERY_S: Final = 1.0
"""How often it is asked whether the process lives whose scope it is: a call of the system."""

_LEFT_FOR_S: Final = 60.0
"""How old a file is before it may have been left: it is not locked as soon as it is there."""

_LOOK_AT_MAX: Final = 1000


class _OwnEnding:
    """The file, for the process whose scope it is of. To close any handle of it would give up the lock."""

    def __init__(self) -> None:
        self._handle, name = tempfile.mkstemp(prefix=_PREFIX)
        self.path, self._owner = Path(name), os.getpid()
        try:
            os.write(self._handle, _TIME.pack(_OPEN_S))
            self._time = mmap.mmap(self._handle, _TIME.size)
        except OSError:
            os.close(self._handle)
            self.path.unlink()
            raise
        _is_free(self._handle, keep=True)
        atexit.register(self._end_with_process)

    @guarded("tenancy.process_end", default=None)
    def end(self, at_s: float) -> None:
        """A process that has not begun by now finds no file. A child that was forked has the object, too."""
        if self._owner == os.getpid() and self.ended_s() is None:
            self._time[:] = _TIME.pack(at_s)
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
            atexit.unregister(self._end_with_process)

    def _end_with_process(self) -> None:
        self.end(time.monotonic())

    def ended_s(self) -> float | None:
        return _ended_s(self._time)


class _EndingElsewhere:
    """The file, for a process that was started. It has ended if it is not there, or if nobody holds it any more: then
    when somebody was last seen to."""

    def __init__(self, path: str) -> None:
        self.path, self._seen_s = Path(path), time.monotonic()
        try:
            self._handle = os.open(path, os.O_RDWR)
        except OSError:
            self._time: mmap.mmap | bytes = _TIME.pack(_LONG_AGO_S)
            return
        self._time = mmap.mmap(self._handle, _TIME.size, access=mmap.ACCESS_READ)

    def end(self, at_s: float) -> None:
        """It is not ours to end."""

    def ended_s(self) -> float | None:
        found, now_s = _ended_s(self._time), time.monotonic()
        if found is not None or now_s - self._seen_s < _LOOK_EVERY_S:
            return found
        if not _is_free(self._handle):
            self._seen_s = now_s
            return None
        self._time = _TIME.pack(self._seen_s)
        self.path.unlink(missing_ok=True)
        return self._seen_s


def _is_free(handle: int, *, keep: bool = False) -> bool:
    """Whether no other process holds a file. Where the system has no such locks, one always does."""
    if fcntl is None:
        return False
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    if not keep:
        fcntl.lockf(handle, fcntl.LOCK_UN)
    return True


@guarded("tenancy.process_left", default=None)
def _clear_up() -> None:
    """Remove what processes left that were killed. Only before this one has a file of its own."""
    before_s = time.time() - _LEFT_FOR_S
    with os.scandir(tempfile.gettempdir()) as entries:
        for entry in islice(entries, _LOOK_AT_MAX):
            if entry.name.startswith(_PREFIX) and entry.stat().st_mtime < before_s:
                _remove_left(entry.path)


def _remove_left(path: str) -> None:
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:  # somebody else's, or gone
        return
    try:
        if _is_free(handle):
            Path(path).unlink(missing_ok=True)
    finally:
        os.close(handle)


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
    if not _cleared:
        _cleared.append(True)
        _clear_up()
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
