"""Writing: one line an observation, one `os.write` a line, no lock.

A segment is one writer's file. The writer holds its `flock` from before the file has its name until the process ends,
however it ends, so a reader knows a finished segment from a live one without trusting a pid. A line is
`crc32 SP json LF`; its `seq` is inside the JSON, so that a gap can be proved. Threads may write out of order.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.forks import here, in_child
from otel_genai_cost.journal.codec import encode, encode_lossy
from otel_genai_cost.journal.files import Files, OsFiles
from otel_genai_cost.journal.open_segment import Fate, OpenSegment, create_segment, frame
from otel_genai_cost.usage.read import NOTHING

__all__ = ["MEMORY_LIMIT", "Journal"]

_logger = logging.getLogger("otel_genai_cost")

MEMORY_LIMIT: Final = 10_000
"""Records kept while no folder can be written."""

_SEGMENT_LIMIT_BYTES: Final = 64 * 1024 * 1024
_RETRY_EVERY_S: Final = 5.0
_SAY_EVERY_S: Final = 60.0
_CHECK_EVERY_S: Final = 1.0
"""A file that was taken away is noticed by the first record after this time; what was written to it since the last look
is written again."""


class Journal:
    """The journal of this process, safe for threads and forks.

    Where no folder works, a daemon thread retries at most MEMORY_LIMIT records every 5 s. `not_journalled` counts those
    that are in memory or were dropped, `dropped` those that are lost, `replaced` the segments that somebody else took
    away while they were written. `on_fork` is called in a forked child, at the latest before its first record.

    Args:
        folders: tried in order.
        prepare: called with the folder whenever a segment is opened there, after its first line: what it brings may
            wait for room, and is tried again by the same thread.
        files: the file system; None for the real one.
        clock_us: the time, in unix microseconds.
        monotonic_s: the monotonic clock, in seconds.
        segment_limit_bytes: the size at which the next segment begins.
        fsync: whether each line is brought to the disk before the call goes on.
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
        self._sync = fsync
        self.facts: Mapping[str, Any] = NOTHING
        self._segment: OpenSegment | None = None
        self._has_fallen_back = False
        self._process = here()
        self.on_fork: Callable[[], None] = lambda: None
        self._reset_threads()
        _journals.add(self)

    def _reset_threads(self) -> None:
        self._lock = threading.RLock()  # a finalizer may append while its thread holds it
        self._waiting: deque[bytes] = deque()
        self._retrier: threading.Thread | None = None
        self._wake = threading.Event()
        self._said_s = self._said_replaced_s = self._tried_s = -_SAY_EVERY_S
        self._unprepared: Path | None = None
        self.dropped = 0
        self.replaced: Counter[Fate] = Counter()

    @property
    def folder(self) -> Path | None:
        """Where records go now; None while none can be written or nothing was written yet."""
        return None if self._segment is None else self._segment.path.parent

    @property
    def not_journalled(self) -> int:
        """Records that are in memory only, or lost."""
        return len(self._waiting) + self.dropped

    def open(self, facts: Mapping[str, Any] = NOTHING) -> Path | None:
        """Open a segment now, so that the first append need not; the folder, or None if none can be written. `facts`
        are what the header of each segment says for all records of this process; those of the first who opens hold, and
        `self.facts` has them."""
        with self._lock:
            if self._current() is None:
                self.facts = self.facts or facts
                self._open()
        return self.folder

    def append(self, record: Mapping[str, Any] | bytes) -> bool:
        """Write one record, or the JSON of one; False if it could only be kept in memory or was dropped. Never raises
        OSError."""
        record = record if isinstance(record, bytes) else encode_lossy(record)
        segment = self._current()
        if segment is None or not segment.write(record, sync=self._sync):
            return self._append_elsewhere(record, segment)
        if segment.is_lost:  # taken away, as another thread found while this one wrote
            return self._append_elsewhere(record, segment)
        now_s = self._monotonic_s()
        if now_s - segment.checked_s >= _CHECK_EVERY_S:
            segment.checked_s = now_s
            return self._is_safe(segment)
        if segment.size_bytes >= self._limit_bytes:
            self._leave(segment)
        return True

    def close(self) -> None:
        """End in order: write what waits, then a seal with the number of records."""
        with self._lock:
            if (segment := self._current()) is not None:
                self._is_safe(segment)
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
            segment.put(frame(encode(seal)))

    def forked(self) -> None:
        """In the child: forget the parent's segment (its lock stays the parent's), records and threads."""
        self._process = here()
        self._segment = None
        self._reset_threads()
        self.on_fork()

    def _current(self) -> OpenSegment | None:
        if not self._process.mark[0]:  # a fork that skipped Python's hooks, as uWSGI's does
            self.forked()
        return self._segment

    def _is_safe(self, segment: OpenSegment) -> bool:
        """Whether the segment is where it was and whole. If not, what was written since the last look goes into
        another; False if that could not be written."""
        written = segment.take_unchecked()
        fate = segment.fate()
        if fate is None:
            return True
        segment.is_lost = True
        written += segment.take_unchecked()
        self.replaced[fate] += 1
        now_s = self._monotonic_s()
        if now_s - self._said_replaced_s >= _SAY_EVERY_S:
            self._said_replaced_s = now_s
            _say_replaced(segment.path, fate, len(written))
        return all([self._append_elsewhere(record, segment) for record in written])

    def _leave(self, segment: OpenSegment) -> None:
        """A full segment makes room; whoever still writes to it keeps it open until done."""
        with self._lock:
            if self._segment is segment:
                self._segment = None
                self._open()

    def _append_elsewhere(self, record: bytes, failed: OpenSegment | None) -> bool:
        """Open another segment, in this folder or the next that works, and write there; else remember."""
        with self._lock:
            if self._segment is failed:
                self._segment = None
                if self._may_open() and self._open(record):
                    return True
            segment = self._segment
            if segment is not None and segment.write(record, sync=self._sync):
                return True
            self._remember(record)
        return False

    def _may_open(self) -> bool:
        """Whether the caller's own thread looks for a folder. Once records wait, the retrying thread does that, unless
        it does not run: some servers never schedule one."""
        silent_s = self._monotonic_s() - self._tried_s
        return not self._waiting or silent_s >= 2 * _RETRY_EVERY_S

    def _open(self, first: bytes | None = None) -> bool:
        """Open a segment in the first folder that takes one, with its first record; whether one did."""
        self._tried_s = self._monotonic_s()
        failed = ""
        for folder in self._folders:
            try:
                self._files.make_folder(folder)
                self._segment = create_segment(
                    self._files,
                    folder,
                    self._clock_us(),
                    self._tried_s,
                    first,
                    facts=self.facts,
                    sync=self._sync,
                )
            except OSError as error:
                failed = failed or f"{folder} ({error})"
            else:
                if failed and not self._has_fallen_back:
                    self._has_fallen_back = True
                    _say_fall_back(failed, folder)
                self._make_ready(folder)
                return True
        return False

    def _make_ready(self, folder: Path) -> None:
        """Bring what belongs beside the segments, or leave that to the retrying thread."""
        try:
            self._prepare(folder)
        except OSError as error:
            self._unprepared = folder
            _say_unprepared(folder, error)
            self._start_retrier()

    def _remember(self, record: bytes) -> None:
        """Keep a record in memory, the oldest make room; called with the lock held."""
        if len(self._waiting) >= MEMORY_LIMIT:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(record)
        self._say()
        self._start_retrier()

    def _start_retrier(self) -> None:
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
        """Try to write what waits, lines first; True when nothing waits any more."""
        with self._lock:
            self._drain()
            if self._waiting:
                self._say()
                return False
        return self._is_ready()

    def _is_ready(self) -> bool:
        """Try once more to bring what belongs beside the segments; done without the lock, since it may be large."""
        folder = self._unprepared
        try:
            if folder is not None:
                self._prepare(folder)
        except OSError:
            return False
        with self._lock:
            self._unprepared = None if self._unprepared == folder else self._unprepared
            if self._waiting or self._unprepared is not None:
                return False
            self._retrier = None
            return True

    def _drain(self) -> None:
        while self._waiting:
            record, segment = self._waiting.popleft(), self._current()
            if segment is None:
                written = self._open(record)
            else:
                written = segment.write(record, sync=self._sync)
            if not written:
                self._waiting.appendleft(record)
                self._segment = None
                return


def _say_fall_back(failed: str, folder: Path) -> None:
    """A ledger that reads the folder meant, from another container perhaps, does not see these calls."""
    _logger.error(
        "the journal cannot be written in %s and goes to %s; let the ledger read it there, "
        "or set OTEL_GENAI_COST_JOURNAL to a writable folder",
        failed,
        folder,
    )


def _say_replaced(path: Path, fate: Fate, written_count: int) -> None:
    _logger.error(
        "the journal segment %s was %s while it was written; another is begun, and the %d record(s) since the last "
        "look are written again there; keep log rotation and clean-up away from the journal",
        path,
        fate,
        written_count,
    )


def _say_unprepared(folder: Path, error: OSError) -> None:
    _logger.error(
        "calls are journalled in %s, but the price book cannot be kept beside them yet (%s); until it can, this ledger "
        "cannot rate them again with it; free some space",
        folder,
        error,
    )


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
