"""Writing: one line an observation, one `os.write` a line, no lock.

A segment is one writer's file. The writer holds its `flock` from before the file has its name until the process ends,
however it ends, so a reader knows a finished segment from a live one without trusting a pid. A line is
`crc32 SP json LF`; its `seq` is inside the JSON, so that a gap can be proved. Threads may write out of order.
"""

from __future__ import annotations

import itertools
import logging
import os
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from otel_genai_cost.forks import here, in_child
from otel_genai_cost.journal.codec import encode, encode_lossy
from otel_genai_cost.journal.files import Files, OsFiles

__all__ = ["FORMAT", "MEMORY_LIMIT", "Journal", "frame"]

_logger = logging.getLogger("otel_genai_cost")

FORMAT: Final = 1
MEMORY_LIMIT: Final = 10_000
"""Records kept while no folder can be written."""

_SEGMENT_LIMIT_BYTES: Final = 64 * 1024 * 1024
_RETRY_EVERY_S: Final = 5.0
_SAY_EVERY_S: Final = 60.0
_LINK_CHECK_EVERY_S: Final = 1.0
"""A deleted file is noticed within this time; what was written to it meanwhile is lost."""


def frame(body: bytes) -> bytes:
    """The line of a JSON body: 8 hex digits of its crc32, a space, the body, a line feed."""
    return b"%08x %b\n" % (crc32(body), body)


class _Segment:
    """One file and its descriptor. The descriptor is closed with the last reference to the segment, so a thread that
    is about to write never finds the number reused by another file."""

    def __init__(self, files: Files, path: Path, descriptor: int, now_s: float) -> None:
        self.path, self.descriptor = path, descriptor
        self.numbers = itertools.count(1)
        self.size_bytes = 0
        self.checked_s = now_s
        self._close = weakref.finalize(self, _close_quietly, files, descriptor)
        self._close.atexit = False


def _close_quietly(files: Files, descriptor: int) -> None:
    try:
        files.close(descriptor)
    except OSError as error:
        _logger.debug("closing a journal segment: %r", error)


class Journal:
    """The journal of this process, safe for threads and forks.

    `folders` are tried in order. `prepare(folder)` is called whenever a segment is opened there. If no folder works,
    at most MEMORY_LIMIT records are kept and retried every 5 s by a daemon thread; `not_journalled` counts those that
    are in memory or were dropped, `dropped` those that are lost. `on_fork` is called in a forked child, at the latest
    before its first record.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        prepare: Callable[[Path], None] = lambda folder: None,
        files: Files | None = None,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic_s: Callable[[], float] = time.monotonic,
        segment_limit_bytes: int = _SEGMENT_LIMIT_BYTES,
        fsync: bool = False,
    ) -> None:
        self._folders = tuple(folders)
        self._prepare, self._files = prepare, files or OsFiles()
        self._clock_us, self._monotonic_s = clock_us, monotonic_s
        self._limit_bytes = segment_limit_bytes
        self._put = partial(_write_through, self._files) if fsync else self._files.write
        self._segment: _Segment | None = None
        self._has_fallen_back = False
        self._process = here()
        self.on_fork: Callable[[], None] = lambda: None
        self._reset_threads()
        _journals.add(self)

    def _reset_threads(self) -> None:
        self._lock = threading.RLock()  # a finalizer may append while its thread holds it
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._retrier: threading.Thread | None = None
        self._wake = threading.Event()
        self._said_s = self._tried_s = -_SAY_EVERY_S
        self.dropped = 0

    @property
    def folder(self) -> Path | None:
        """Where records go now; None while none can be written or nothing was written yet."""
        return None if self._segment is None else self._segment.path.parent

    @property
    def not_journalled(self) -> int:
        """Records that are in memory only, or lost."""
        return len(self._waiting) + self.dropped

    def open(self) -> Path | None:
        """Open a segment now, so that the first append need not; the folder, or None if none can be written."""
        with self._lock:
            if self._current() is None:
                self._open()
        return self.folder

    def append(self, record: Mapping[str, Any]) -> bool:
        """Write one record; False if it could only be kept in memory or was dropped. Never raises OSError."""
        segment = self._current()
        if segment is None or not self._write(segment, record):
            return self._append_elsewhere(record, segment)
        now_s = self._monotonic_s()
        if now_s - segment.checked_s >= _LINK_CHECK_EVERY_S:
            segment.checked_s = now_s
            if not self._is_linked(segment):
                return self._append_elsewhere(record, segment)
        if segment.size_bytes >= self._limit_bytes:
            self._leave(segment)
        return True

    def close(self) -> None:
        """End in order: write what waits, then a seal with the number of records."""
        with self._lock:
            self._drain()
            if self._waiting:
                _logger.error(
                    "no journal folder could be written before the end: %d record(s) are lost",
                    len(self._waiting),
                )
            segment, self._segment = self._current(), None
            if segment is None:
                return
            count = next(segment.numbers) - 1
            seal = {"type": "seal", "count": count, "end_us": self._clock_us()}
            try:
                self._files.write(segment.descriptor, frame(encode(seal)))
            except OSError as error:
                _logger.debug("sealing %s: %r", segment.path, error)

    def forked(self) -> None:
        """In the child: forget the parent's segment (its lock stays the parent's), records and threads."""
        self._process = here()
        self._segment = None
        self._reset_threads()
        self.on_fork()

    def _current(self) -> _Segment | None:
        if not self._process.mark[0]:  # a fork that skipped Python's hooks, as uWSGI's does
            self.forked()
        return self._segment

    def _write(self, segment: _Segment, record: Mapping[str, Any]) -> bool:
        line = _line(next(segment.numbers), record)
        try:
            written = self._put(segment.descriptor, line)
        except OSError:
            return False
        segment.size_bytes += written
        return written == len(line)

    def _is_linked(self, segment: _Segment) -> bool:
        try:
            return self._files.is_linked(segment.descriptor)
        except OSError:
            return False

    def _leave(self, segment: _Segment) -> None:
        """A full segment makes room; whoever still writes to it keeps it open until done."""
        with self._lock:
            if self._segment is segment:
                self._segment = None
                self._open()

    def _append_elsewhere(self, record: Mapping[str, Any], failed: _Segment | None) -> bool:
        """Open another segment, in this folder or the next that works, and write there; else remember."""
        with self._lock:
            if self._segment is failed:
                self._segment = None
                if self._may_open():
                    self._open()
            segment = self._segment
            if segment is not None and self._write(segment, record):
                return True
            self._remember(record)
        return False

    def _may_open(self) -> bool:
        """Whether the caller's own thread looks for a folder. Once records wait, the retrying thread does that, unless
        it does not run: some servers never schedule one."""
        silent_s = self._monotonic_s() - self._tried_s
        return not self._waiting or silent_s >= 2 * _RETRY_EVERY_S

    def _open(self) -> None:
        self._tried_s = self._monotonic_s()
        failed = ""
        for folder in self._folders:
            try:
                self._segment = self._create(folder)
            except OSError as error:
                failed = failed or f"{folder} ({error})"
            else:
                if failed and not self._has_fallen_back:
                    self._has_fallen_back = True
                    _say_fall_back(failed, folder)
                return

    def _create(self, folder: Path) -> _Segment:
        files, start_us = self._files, self._clock_us()
        files.make_folder(folder)
        self._prepare(folder)
        name = f"{start_us:016d}-{os.urandom(8).hex()}"
        hidden, path = folder / f".{name}.new", folder / f"{name}.jsonl"
        segment = _Segment(files, path, files.create(hidden), self._monotonic_s())
        header = frame(encode(_header(name, start_us)))
        try:
            if files.write(segment.descriptor, header) != len(header):
                raise OSError("no room for a header")
            files.rename(hidden, path)
        except OSError:
            with suppress(OSError):
                files.remove(hidden)
            raise
        segment.size_bytes = len(header)
        return segment

    def _remember(self, record: Mapping[str, Any]) -> None:
        """Keep a record in memory, the oldest make room; called with the lock held."""
        if len(self._waiting) >= MEMORY_LIMIT:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(record)
        self._say()
        if self._retrier is None:
            self._wake = threading.Event()
            self._retrier = threading.Thread(
                target=_retry,
                args=(weakref.ref(self), self._wake),
                name="genai-cost-journal",
                daemon=True,
            )
            self._retrier.start()

    def _say(self) -> None:
        now_s = self._monotonic_s()
        if now_s - self._said_s >= _SAY_EVERY_S:
            self._said_s = now_s
            _logger.error(
                "no journal folder can be written (%s): %d record(s) in memory only, %d lost; "
                "free space or set OTEL_GENAI_COST_JOURNAL to a writable folder",
                ", ".join(map(str, self._folders)) or "none is configured",
                len(self._waiting),
                self.dropped,
            )

    def retry(self) -> bool:
        """Try to write what waits; True when nothing waits any more."""
        with self._lock:
            self._drain()
            if self._waiting:
                self._say()
                return False
            self._retrier = None
            return True

    def _drain(self) -> None:
        if self._waiting and self._current() is None:
            self._open()
        while self._waiting and (segment := self._segment) is not None:
            record = self._waiting.popleft()
            if not self._write(segment, record):
                self._waiting.appendleft(record)
                self._segment = None
                return


def _write_through(files: Files, descriptor: int, line: bytes) -> int:
    written = files.write(descriptor, line)
    files.sync(descriptor)
    return written


def _line(seq: int, record: Mapping[str, Any]) -> bytes:
    """The line of a record, with its number in the segment."""
    return frame(b'{"seq":%d,%b' % (seq, encode_lossy(record)[1:]))


def _say_fall_back(failed: str, folder: Path) -> None:
    """A ledger that reads the folder meant, from another container perhaps, does not see these calls."""
    _logger.error(
        "the journal cannot be written in %s and goes to %s; let the ledger read it there, "
        "or set OTEL_GENAI_COST_JOURNAL to a writable folder",
        failed,
        folder,
    )


def _header(name: str, start_us: int) -> Mapping[str, Any]:
    return {
        "type": "header",
        "format": FORMAT,
        "segment": name,
        "host": socket.gethostname(),
        "boot_id": _boot_id(),
        "pid": os.getpid(),
        "start_us": start_us,
    }


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _retry(journal: weakref.ref[Journal], wake: threading.Event) -> None:
    """The daemon thread: it ends with the journal, or when nothing waits."""
    while not wake.wait(_RETRY_EVERY_S):
        living = journal()
        if living is None or living.retry():
            return
        del living


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _forked() -> None:
    for journal in list(_journals):
        journal.forked()


in_child(_forked)
