"""Writing: one line an observation, one `os.write` a line, or for several that come
together. A call takes no lock.

A segment is one writer's file. The writer holds its `flock` from before the file has its name until the process ends,
however it ends, so a reader knows a finished segment from a live one without trusting a pid. A line is
`crc32 SP json LF`; its `seq` is inside the JSON, so that a gap can be proved. Threads may write out of order.

A full segment makes room for the next, and so does an old one. What the folder may hold is `bound.py`'s to say; while
it is full, a segment is held open that takes no records, but uses up a number for each one that is lost.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.forks import here, in_child
from otel_genai_cost.journal.bound import UNBOUND, Bound, room
from otel_genai_cost.journal.codec import encode, encode_lossy
from otel_genai_cost.journal.files import Files, OsFiles
from otel_genai_cost.journal.messages import (
    say_fall_back,
    say_full,
    say_lost,
    say_replaced,
    say_unprepared,
    say_unwritable,
)
from otel_genai_cost.journal.open_segment import Fate, OpenSegment, create_segment
from otel_genai_cost.journal.retrier import RETRY_EVERY_S, Retrier
from otel_genai_cost.journal.unwritten import Unwritten
from otel_genai_cost.usage.read import NOTHING

__all__ = ["Journal"]

_SAY_EVERY_S: Final = 60.0
_CHECK_EVERY_S: Final = 1.0
"""A file that was taken away is noticed by the first record after this time; what was written to it since the last look
is written again."""

_BLOCKED_LOOKS_EVERY_S: Final = 0.1
_BEGUN_MAX: Final = 256


class Journal:
    """The journal of this process, safe for threads and forks.

    Where no folder works, or the folder is full, a daemon thread retries at most MEMORY_LIMIT records every 5 s.
    `not_journalled` counts those that are in memory or were dropped, `dropped` those that are lost, `replaced` the
    segments that somebody else took away while they were written, `begun` has the newest segments that this process
    began. `on_fork` is called in a forked child, at the latest before its first record.

    Args:
        folders: tried in order.
        prepare: called with the folder whenever a segment is opened there, after its first line, or without one if it
            is full: what it brings may wait for room, and is tried again by the same thread.
        files: the file system; None for the real one.
        clock_us: the time, in unix microseconds.
        monotonic_s: the monotonic clock, in seconds.
        bound: how much a folder may hold, and what becomes of a record beyond that.
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
        bound: Bound = UNBOUND,
        fsync: bool = False,
    ) -> None:
        self._folders = tuple(folders)
        self._prepare, self._files = prepare, files or OsFiles()
        self._clock_us, self._monotonic_s = clock_us, monotonic_s
        self._bound = bound
        self._sync = fsync
        self.facts: Mapping[str, Any] = NOTHING
        self._has_fallen_back = False
        self.on_fork: Callable[[], None] = lambda: None
        self._begin()
        _journals.add(self)

    def _begin(self) -> None:
        """As a process begins: with nothing of its parent's."""
        self._process = here()
        self._segment: OpenSegment | None = None
        self._held: OpenSegment | None = None
        self._lock = threading.RLock()  # a finalizer may append while its thread holds it
        self._unwritten = Unwritten()
        self._retrier = Retrier(self.retry)
        self._said_s = self._said_replaced_s = self._tried_s = -_SAY_EVERY_S
        self._unprepared: Path | None = None
        self.replaced: Counter[Fate] = Counter()
        self.begun: deque[Path] = deque(maxlen=_BEGUN_MAX)

    @property
    def folder(self) -> Path | None:
        """Where records go now; None while none can be written or nothing was written yet."""
        segment = self._segment or self._held
        return None if segment is None else segment.path.parent

    @property
    def not_journalled(self) -> int:
        """Records that are in memory only, or lost."""
        return len(self._unwritten.waiting) + self.dropped

    @property
    def dropped(self) -> int:
        """Records that are lost."""
        return self._unwritten.dropped

    @property
    def taken_away(self) -> int:
        """Segments that somebody else took away while they were written, also one of which no record has found out."""
        segment = self._segment
        is_gone = segment is not None and not segment.is_lost and segment.fate() is not None
        return sum(self.replaced.values()) + is_gone

    def open(self, facts: Mapping[str, Any] = NOTHING) -> Path | None:
        """Open a segment now, so that the first append need not; the folder, or None if none can be written. `facts`
        are what each segment's header says for all records of this process: the first's, which `self.facts` has."""
        with self._lock:
            if self._current() is None:
                if self._held is None:  # whose header has no facts, or others
                    self.facts = self.facts or facts
                self._open()
        return self.folder

    def append(self, record: Mapping[str, Any] | bytes) -> bool:
        """Write a record, or the JSON of one; False if it could only be kept in memory or was dropped. No OSError."""
        record = record if isinstance(record, bytes) else encode_lossy(record)
        segment = self._current()
        if segment is None or not segment.write(record, sync=self._sync) or segment.is_lost:
            return self._append_elsewhere(record, segment)
        return self._look_after(segment)

    def append_all(self, records: Sequence[bytes]) -> bool:
        """Write the JSON of records, in as few writes as there is room for; False if one of them could only be kept in
        memory or was dropped. One after the other: a write that fails has used up numbers, which no later one of the
        segment may follow."""
        self._current()  # a fork that it finds has another lock
        until_s = self._monotonic_s() + self._bound.timeout_s  # for all of them
        at, are_kept = 0, True
        with self._lock:
            while at < len(records):
                segment = self._current()
                count = 0 if segment is None else segment.write_all(records, at, sync=self._sync)
                if segment is not None and count and not segment.is_lost:
                    at, is_kept = at + count, self._look_after(segment)
                else:
                    at, is_kept = at + 1, self._append_elsewhere(records[at], segment, until_s)
                are_kept = are_kept and is_kept
        return are_kept

    def _look_after(self, segment: OpenSegment) -> bool:
        """Whether a segment that was written to is where it was, and room in it; now and then. False if what it had is
        only in memory by now."""
        now_s = self._monotonic_s()
        if now_s - segment.checked_s >= _CHECK_EVERY_S or segment.has_much_unchecked:
            segment.checked_s = now_s
            if not self._is_safe(segment):
                return False
            segment.expire(now_s)
        if segment.size_bytes >= segment.room_bytes:
            self._renew(segment)
        return True

    def close(self) -> None:
        """End in order: write what waits, then a seal with the number of records."""
        with self._lock:
            if (segment := self._current()) is not None:
                self._is_safe(segment)
            self._drain()
            if self._unwritten.waiting:
                say_lost(self._unwritten.drop_all())
            segment = self._current() or self._held
            self._segment = self._held = None
            if segment is not None:
                self._unwritten.prove(segment)
                segment.seal(self._clock_us())

    def forked(self) -> None:
        """In the child: forget the parent's segment (its lock stays the parent's), records and threads."""
        self._begin()
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
            say_replaced(segment.path, fate, len(written))
        until_s = now_s + self._bound.timeout_s  # for all of them
        return all([self._append_elsewhere(record, segment, until_s) for record in list(written)])

    def _renew(self, segment: OpenSegment) -> None:
        """A segment that has used its share of the room gets another, or makes room for the next; whoever still writes
        to it keeps it open until done."""
        with self._lock:
            if self._segment is not segment:
                return
            now_s = self._monotonic_s()
            found = room(self._files, segment.path.parent, self._bound)
            if segment.size_bytes < found.segment_bytes and not segment.is_old(now_s):
                if found.share_bytes:
                    # a look takes at most a thousandth of the time
                    pause_s = 1_000 * (self._monotonic_s() - now_s)
                    segment.extend(found.share_bytes, now_s + pause_s)
                    return
                if segment.size_bytes < 2 * self._bound.least_bytes:
                    self._segment, self._held = None, segment
                    return
            self._segment = None
            self._open()
            if self.folder is not None:  # on a full disk a seal would be one more torn line
                segment.seal(self._clock_us())

    def _append_elsewhere(
        self, record: bytes, failed: OpenSegment | None, until_s: float | None = None
    ) -> bool:
        """Open another segment, in this folder or the next that works, and write there; else wait for room, if that is
        asked for; else remember."""
        if until_s is None:
            until_s = self._monotonic_s() + self._bound.timeout_s
        while True:
            with self._lock:
                if self._segment is failed:
                    self._segment = None
                    if self._may_open() and self._open(record):
                        return True
                elif self._segment is not None and self._put(record):
                    return True
                if not self._blocks(until_s):
                    self._remember(record)
                    return False
                failed = self._segment
            time.sleep(_BLOCKED_LOOKS_EVERY_S)

    def _blocks(self, until_s: float) -> bool:
        """Whether the caller waits until a ledger has made room."""
        is_full = self._segment is None and self._held is not None
        return is_full and self._bound.when_full == "block" and self._monotonic_s() < until_s

    def _may_open(self) -> bool:
        """Whether the caller's own thread looks for a folder. Once records wait, the retrying thread does that, unless
        it does not run: some servers never schedule one."""
        silent_s = self._monotonic_s() - self._tried_s
        if self._held is not None and self._bound.when_full == "block":
            return silent_s >= _BLOCKED_LOOKS_EVERY_S
        return not self._unwritten.waiting or silent_s >= 2 * RETRY_EVERY_S

    def _open(self, first: bytes | None = None) -> bool:
        """Open a segment in the first folder that takes one, with its first record; whether one did. A folder that is
        full is where records wait: the next one is for what cannot be written at all."""
        self._tried_s = self._monotonic_s()
        failed, held = "", self._held
        for folder in self._folders:
            try:
                self._files.make_folder(folder)
                share = room(self._files, folder, self._bound).share_bytes
                segment = self._begun(folder, first if share else None)
            except OSError as error:
                failed = failed or f"{folder} ({error})"
                continue
            if failed and not self._has_fallen_back:
                self._has_fallen_back = True
                say_fall_back(failed, folder)
            if share:
                segment.extend(share, self._tried_s)
                self._unwritten.prove(segment)
                self._segment, self._held = segment, None
            else:
                self._held = segment
            if share or segment is not held:
                self._make_ready(folder)
            return share > 0
        return False

    def _begun(self, folder: Path, first: bytes | None) -> OpenSegment:
        """A segment of a folder, with its first record: the one that was held while it was full, else a new one. Raises
        OSError."""
        held, self._held = self._held, None
        if (
            held is not None
            and (held.path.parent == folder and held.fate() is None)
            and (first is None or held.write(first, sync=self._sync))
        ):
            return held
        at = (self._clock_us(), self._tried_s)
        made = create_segment(self._files, folder, *at, first, facts=self.facts, sync=self._sync)
        self.begun.append(made.path)
        return made

    def _make_ready(self, folder: Path) -> None:
        """Bring what belongs beside the segments, or leave that to the retrying thread."""
        try:
            self._prepare(folder)
        except OSError as error:
            self._unprepared = folder
            say_unprepared(folder, error)
            self._retrier.start()

    def _remember(self, record: bytes) -> None:
        """Keep a record in memory, the oldest make room; called with the lock held."""
        self._unwritten.keep(record)
        self._say()
        self._retrier.start()

    def _say(self) -> None:
        now_s = self._monotonic_s()
        if now_s - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = now_s
        held, waiting = self._held, len(self._unwritten.waiting)
        if held is None:
            say_unwritable(self._folders, waiting, self.dropped)
            return
        say_full(held.path.parent, self._bound.limit_bytes, waiting, self.dropped)
        self._unwritten.prove(held)
        at_us = self._clock_us()
        lost = {"type": "lost", "count": self.dropped, "waiting": waiting, "at_us": at_us}
        held.write(encode(lost))

    def retry(self) -> bool:
        """Try to write what waits, lines first; True when nothing waits any more."""
        with self._lock:
            self._drain()
            if self._unwritten.waiting:
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
            if self._unwritten.waiting or self._unprepared is not None:
                return False
            self._retrier.done()
            return True

    def _drain(self) -> None:
        while self._unwritten.waiting:
            record = self._unwritten.waiting[0]  # it counts as waiting until it is written
            if not self._put(record):
                return
            self._unwritten.is_written(record)

    def _put(self, record: bytes) -> bool:
        """Write a record where records go now, or open a segment for it; called with the lock held."""
        segment = self._current()
        if segment is None:
            return self._open(record)
        if not segment.write(record, sync=self._sync):
            self._segment = None
            return False
        if segment.size_bytes >= segment.room_bytes:
            self._renew(segment)
        return True


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _forked() -> None:
    for journal in list(_journals):
        journal.forked()


in_child(_forked)
