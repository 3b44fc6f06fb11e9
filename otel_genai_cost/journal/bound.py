"""How much a journal's folder may hold, and who gives way: what a ledger has, oldest first.

All writers of a folder share the bound. None of them asks another: each looks at the folder when it begins a segment,
when it has written what it may, and every few seconds, and takes an equal share of the room that it finds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from otel_genai_cost.journal.files import Files
from otel_genai_cost.journal.ingested import is_marked

__all__ = ["UNBOUND", "Bound", "WhenFull", "room"]

_logger = logging.getLogger("otel_genai_cost")

WhenFull = Literal["refuse", "block"]
"""What becomes of a record that there is no room for: it is refused at once, or its caller waits for a while."""

_SEGMENT_BYTES: Final = 64 * 1024 * 1024
_LEAST_BYTES: Final = 16 * 1024
_SEGMENTS_MAX: Final = 256
"""Beyond so many, what a ledger has goes, however small it is: each is looked at whenever the folder is."""

_LIVE_MAX: Final = 256
"""Of so many segments, the newest, it is asked whether somebody writes them."""


class Bound(NamedTuple):
    """What a folder's segments may come to.

    Attributes:
        limit_bytes: all of them together; 0 for whatever they come to.
        when_full: what becomes of a record that there is no room for.
        timeout_s: how long a caller waits at most, in seconds, if it is told to.
        segment_bytes: the size at which the next segment begins.
    """

    limit_bytes: int = 0
    when_full: WhenFull = "refuse"
    timeout_s: float = 5.0
    segment_bytes: int = _SEGMENT_BYTES

    @property
    def segment_limit_bytes(self) -> int:
        """A segment gives way as a whole, so that a bound has at least sixteen."""
        if not self.limit_bytes:
            return self.segment_bytes
        return min(self.segment_bytes, max(1, self.limit_bytes // 16))

    @property
    def least_bytes(self) -> int:
        """Less room than that for each writer is none."""
        return max(1, min(_LEAST_BYTES, self.limit_bytes // 64))


UNBOUND: Final = Bound()


class Room(NamedTuple):
    """What a writer finds in a folder.

    Attributes:
        share_bytes: how many it may write before it looks again; 0 if the folder is full.
        segment_bytes: the size at which its next segment begins: what many write goes as little by little as what one
            does, since a segment goes when its writer has left it.
    """

    share_bytes: int
    segment_bytes: int


def room(files: Files, folder: Path, bound: Bound) -> Room:
    """Look at a folder, and delete of what a ledger has as much as is needed. One that cannot be looked into is not
    full for that.

    Args:
        files: the file system.
        folder: the journal's.
        bound: of all its segments.
    """
    if not bound.limit_bytes:
        return Room(bound.segment_limit_bytes, bound.segment_limit_bytes)
    try:
        return _found_room(files, folder, bound)
    except OSError as error:
        _logger.debug("looking for room in the journal: %r", error)
        return Room(bound.least_bytes, bound.segment_limit_bytes)


def _found_room(files: Files, folder: Path, bound: Bound) -> Room:
    found = files.segments(folder)
    left = bound.limit_bytes - sum(size for _, size in found)
    left += _free(files, found, bound.segment_limit_bytes - left)
    live = max(1, sum(not _is_finished(files, path) for path, _ in found[-_LIVE_MAX:]))
    segment_bytes = min(bound.segment_limit_bytes, bound.limit_bytes // (4 * live))
    share = min(left // live, segment_bytes)
    return Room(0 if left // live < bound.least_bytes else share, segment_bytes)


def _free(files: Files, found: Sequence[tuple[Path, int]], needed_bytes: int) -> int:
    """Delete what a ledger has until that much is free, and not too many are left; how many bytes went."""
    freed, too_many = 0, len(found) - _SEGMENTS_MAX
    for path, size in found:
        if freed >= needed_bytes and too_many <= 0:
            break
        if is_marked(path, size) and _is_finished(files, path) and _is_removed(files, path):
            freed, too_many = freed + size, too_many - 1
    return freed


def _is_finished(files: Files, path: Path) -> bool:
    """Whether nobody writes it any more; what may not be looked at is somebody's."""
    try:
        return files.can_lock(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _is_removed(files: Files, path: Path) -> bool:
    try:
        files.remove(path)
    except OSError as error:
        _logger.debug("making room in the journal: %r", error)
        return False
    return True
