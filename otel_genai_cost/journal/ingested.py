"""Which segments a ledger has, noted beside them, so that a writer that needs room knows what may go.

A mark is a small file of the segment's name in a folder of its own: in a journal that a group may read, its members may
write there and nowhere else. A ledger marks a segment once all of it is booked for good, which is leave to delete it.
Who deletes a marked segment leaves the mark, so that the ledger learns that its journal is not whole any more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.whole_files import replace_file

__all__ = [
    "MARKS",
    "has_mark",
    "is_marked",
    "mark",
    "marked",
    "marked_bytes",
    "unmark",
    "unmark_gone",
]

MARKS: Final = "ingested"
"""The folder of the marks, in the journal's."""

_FORMAT: Final = 1
_MARK_BYTES_MAX: Final = 4_096


def mark(segment: Path, size_bytes: int, ledger_id: str) -> None:
    """Note that a ledger has all of a finished segment, for good.

    Args:
        segment: the file.
        size_bytes: how long it was when all of it had been read.
        ledger_id: whose mark it is.

    Raises:
        OSError: if that cannot be written.
    """
    place = _place(segment)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    said = {"format": _FORMAT, "bytes": size_bytes, "ledger": ledger_id}
    replace_file(place, json.dumps(said).encode() + b"\n")
    place.chmod(0o644)  # whatever the umask: the segment's writer may be another user


def is_marked(segment: Path, size_bytes: int) -> bool:
    """Whether a ledger has all of a segment that is that long. What stands there may be another user's: it is read
    without following a link or waiting for anybody. What a newer version means by a mark nobody knows here."""
    return marked_bytes(segment) == size_bytes


def marked_bytes(segment: Path) -> int | None:
    """How long a segment was that a ledger has, whether it is still there or not; None if none says so."""
    try:
        descriptor = os.open(_place(segment), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 -- of a descriptor that follows no link
            said: Any = json.loads(file.read(_MARK_BYTES_MAX) or b"")
        is_known = type(said["bytes"]) is int and said.get("format", _FORMAT) == _FORMAT
        return said["bytes"] if is_known else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def has_mark(segment: Path) -> bool:
    """Whether there is a mark of that name, whatever became of the segment."""
    return _place(segment).exists()


def unmark(segment: Path) -> None:
    """Take a mark back, if there is one; what cannot be removed stays."""
    with suppress(OSError):
        _place(segment).unlink()


def marked(folder: Path) -> Iterator[Path]:
    """The segments of a journal's folder that are marked, whether they are still there or not; nothing where one may
    not look."""
    with suppress(OSError):
        for place in sorted((folder / MARKS).iterdir()):
            if not place.name.startswith("."):
                yield folder / f"{place.name}.jsonl"


def unmark_gone(folder: Path, before_s: float) -> None:
    """Take back the marks of segments that are not there any more and were made before a time; nothing where one may
    not look.

    Args:
        folder: the journal's.
        before_s: in unix seconds.
    """
    for segment in list(marked(folder)):
        with suppress(OSError):
            if _place(segment).stat().st_mtime < before_s and not segment.exists():
                unmark(segment)


def _place(segment: Path) -> Path:
    return segment.parent / MARKS / segment.stem
