"""One writer's file while it is written: its lines, and whether it is still where it was made."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from zlib import crc32

from otel_genai_cost.journal.codec import encode, encode_lossy
from otel_genai_cost.journal.files import Files
from otel_genai_cost.usage.read import NOTHING

__all__ = ["FORMAT", "Fate", "OpenSegment", "create_segment", "frame"]

_logger = logging.getLogger("otel_genai_cost")

FORMAT: Final = 1
_UNCHECKED_MAX: Final = 1_000
"""Records kept since the last look at the file, which are written again if it is gone by the next."""

_LOOK_AT: Final = _UNCHECKED_MAX // 2
"""With so many it is looked at, so that none of them is forgotten before."""

_TOGETHER_BYTES: Final = 65_536
"""Of several records so much is written at once."""

_LOOK_EVERY_S: Final = 10.0
"""So long does a share of the folder's room hold."""

_AGE_MAX_S: Final = 3_600.0
"""After this time a segment ends, so that a ledger can be done with it, and what is missing of it is known."""

Fate = Literal["moved", "removed", "truncated"]
"""What somebody else did to a segment that is being written."""


def frame(body: bytes) -> bytes:
    """The line of a JSON body: 8 hex digits of its crc32, a space, the body, a line feed."""
    return b"%08x %b\n" % (crc32(body), body)


class OpenSegment:
    """One file and its descriptor.

    The descriptor is closed with the last reference to the segment, so a thread that is about to write never finds the
    number reused by another file. `unchecked` holds what was written since the last look at the file; `is_lost` once
    somebody has taken it away. At a size of `room_bytes` its writer looks at the folder again.

    Args:
        files: the file system.
        path: the file's.
        descriptor: open to append.
        now_s: the time on the monotonic clock, in seconds: when the file was looked at.
    """

    def __init__(self, files: Files, path: Path, descriptor: int, now_s: float) -> None:
        self.path, self.descriptor = path, descriptor
        self.numbers = itertools.count(1)
        self.size_bytes = 0
        self.checked_s = self._begun_s = self._looked_s = now_s
        self.room_bytes = 0
        self.is_lost = False
        self.unchecked = _unchecked()
        self._files = files
        self._close = weakref.finalize(self, _close_quietly, files, descriptor)
        self._close.atexit = False

    def write(self, record: bytes, *, sync: bool = False) -> bool:
        """Write the line of a record, a JSON object; False if it did not get there, or not whole."""
        if not self.put(_line(next(self.numbers), record), sync=sync):
            return False
        self.unchecked.append(record)
        return True

    def write_all(self, records: Sequence[bytes], start: int, *, sync: bool = False) -> int:
        """Write the lines of records at once: one, and as many more as there is room for.

        Args:
            records: JSON objects.
            start: which of them is the first.
            sync: whether they are brought to the disk.

        Returns:
            How many; 0 if one of them did not get there whole.
        """
        lines: list[bytes] = []
        left_bytes = min(_TOGETHER_BYTES, self.room_bytes - self.size_bytes)
        some = itertools.islice(records, start, start + _LOOK_AT)
        for record, number in zip(some, self.numbers, strict=False):
            lines.append(_line(number, record))
            left_bytes -= len(lines[-1])
            if left_bytes <= 0:
                break
        if not self.put(b"".join(lines), sync=sync):
            return 0
        written = records[start : start + len(lines)]
        self.unchecked.extend(
            written
        )  # cut out before this: no other thread may take the deque in between
        return len(lines)

    @property
    def has_much_unchecked(self) -> bool:
        """Whether the file is to be looked at, before what was written is kept no longer."""
        return len(self.unchecked) >= _LOOK_AT

    def put(self, lines: bytes, *, sync: bool = False) -> bool:
        """Write lines; False if they did not get there, or not whole."""
        try:
            written = self._files.write(self.descriptor, lines)
            if sync:
                self._files.sync(self.descriptor)
        except OSError:
            return False
        self.size_bytes += written
        return written == len(lines)

    def extend(self, share_bytes: int, now_s: float) -> None:
        """So much may be written until the folder is looked at again, and for a while from that time on."""
        self.room_bytes, self._looked_s = self.size_bytes + share_bytes, now_s

    def expire(self, now_s: float) -> None:
        """Take back what was granted a while ago: others write in the folder as well."""
        if now_s - self._looked_s >= _LOOK_EVERY_S or self.is_old(now_s):
            self.room_bytes = 0

    def is_old(self, now_s: float) -> bool:
        """Whether the next segment is to begin, however short this one is."""
        return now_s - self._begun_s >= _AGE_MAX_S

    def skip(self, count: int) -> None:
        """Use numbers up without a record: they are missing from now on, which proves that records are."""
        deque(itertools.islice(self.numbers, count), maxlen=0)

    def seal(self, end_us: int) -> None:
        """Write down how many records there are, as the last line, unless another thread is just writing; its number is
        the one behind theirs."""
        count = next(self.numbers) - 1
        self.put(frame(encode({"type": "seal", "count": count, "end_us": end_us})))

    def take_unchecked(self) -> deque[bytes]:
        """What was written since it was last asked. A record that another thread is just writing is in this answer or
        in the next."""
        taken, self.unchecked = self.unchecked, _unchecked()
        return taken

    def fate(self) -> Fate | None:
        """What became of the file; None if it is where it was, and whole. A folder that this process may not look into
        any more, because it gave its rights up, says nothing."""
        size_bytes = self.size_bytes
        try:
            own = self._files.status(self.descriptor)
            try:
                found = self._files.status(self.path)
            except (FileNotFoundError, NotADirectoryError):
                return "moved" if own.st_nlink else "removed"
            except OSError:
                found = own
        except OSError:
            return "removed"
        if (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino):
            return "moved" if own.st_nlink else "removed"
        return "truncated" if found.st_size < size_bytes else None


def create_segment(
    files: Files,
    folder: Path,
    start_us: int,
    now_s: float,
    first: bytes | None = None,
    *,
    facts: Mapping[str, Any] = NOTHING,
    sync: bool = False,
) -> OpenSegment:
    """Begin a segment in a folder.

    It gets its name together with its header and its first record, or never: a full disk is not filled with beginnings.

    Args:
        files: the file system.
        folder: the journal's.
        start_us: when the process started, in unix microseconds; a part of the name.
        now_s: the time on the monotonic clock, in seconds.
        first: the first record, framed; None to begin with the header alone.
        facts: what all observations of this process have in common; the header has them.
        sync: whether the first record is brought to the disk, and the file's name.

    Raises:
        OSError: if the folder cannot be written, or there is no room.
    """
    name = f"{start_us:016d}-{os.urandom(8).hex()}"
    hidden, path = folder / f".{name}.new", folder / f"{name}.jsonl"
    segment = OpenSegment(files, path, files.create(hidden), now_s)
    try:
        if not segment.put(frame(encode_lossy({**_header(name, start_us), "facts": dict(facts)}))):
            raise OSError("no room for a header")
        if first is not None and not segment.write(first, sync=sync):
            raise OSError("no room for a record")
        files.rename(hidden, path)
        if sync:
            files.sync_folder(folder)
    except OSError:
        for each in (hidden, path):
            _remove_quietly(files, each)
        raise
    return segment


def _line(number: int, record: bytes) -> bytes:
    return frame(b'{"seq":%d,%b' % (number, record[1:]))


def _unchecked() -> deque[bytes]:
    return deque(maxlen=_UNCHECKED_MAX)


def _remove_quietly(files: Files, path: Path) -> None:
    try:
        files.remove(path)
    except OSError as error:
        _logger.debug("removing a journal segment that was not begun: %r", error)


def _close_quietly(files: Files, descriptor: int) -> None:
    try:
        files.close(descriptor)
    except OSError as error:
        _logger.debug("closing a journal segment: %r", error)


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
