"""What state a journal folder is in, mending what is damaged, and putting away what is done."""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import JournalError
from otel_genai_cost.journal.codec import decode
from otel_genai_cost.journal.missing import Ranges, count, noted
from otel_genai_cost.journal.reader import (
    Damage,
    is_finished,
    read,
    record_of,
    segments,
    whole_lines,
)

__all__ = [
    "Repaired",
    "SegmentState",
    "gap_places",
    "inspect",
    "inspect_segment",
    "repair",
    "retire",
    "sweep",
]

_BOOK_WRITTEN_WITHIN_S: Final = 3_600
_BODY_AT: Final = 9
"""Of a line, its JSON."""


class SegmentState(NamedTuple):
    """One segment.

    Attributes:
        path: the file.
        size_bytes: how long it is.
        process: host, boot and pid of its writer; "" where its header cannot be read.
        records: how many can be read.
        finished: whether its writer has left it.
        sealed: whether its writer said how many records there are.
        gaps: records that are proved to be missing; 0 while it is live.
        damage: what cannot be read.
        lost: how many records its writer has said are lost, as it last said; those are among the gaps once they are
            proved.
    """

    path: Path
    size_bytes: int
    process: str
    records: int
    finished: bool
    sealed: bool
    gaps: int
    damage: tuple[Damage, ...]
    lost: int


class Repaired(NamedTuple):
    """A segment that was mended: where it is, where the original is, and how many bytes of it are left out."""

    path: Path
    aside: Path
    left_out_bytes: int


def inspect(folder: Path) -> list[SegmentState]:
    """Read every segment of a folder once; one that its writer deletes meanwhile is left out."""
    states: list[SegmentState] = []
    for path in segments(folder):
        with suppress(FileNotFoundError):
            states.append(inspect_segment(path))
    return states


def inspect_segment(path: Path) -> SegmentState:
    """Read a segment once.

    Raises:
        FormatTooNewError: for a segment that a newer version wrote.
        OSError: if it cannot be read.
    """
    finished = is_finished(path)
    missing: Ranges = ()
    damage: list[Damage] = []
    offset, at_end = 0, False
    records = seq_max = lost = 0
    is_sealed, process = False, ""
    while not at_end:
        batch = read(path, offset, finished=finished)
        seq_max, missing = noted(seq_max, missing, batch.seqs)
        records += len(batch.records)
        lost = max([lost, *map(_lost, batch.records)])
        damage += batch.damage
        process = process or batch.process
        is_sealed = is_sealed or batch.sealed is not None
        offset, at_end = batch.offset, batch.at_end
    gaps = count(missing) if finished else 0
    return SegmentState(
        path=path,
        size_bytes=offset,
        process=process,
        records=records,
        finished=finished,
        sealed=is_sealed,
        gaps=gaps,
        damage=tuple(damage),
        lost=lost,
    )


def _lost(record: Mapping[str, Any]) -> int:
    count = record.get("count") if record.get("type") == "lost" else 0
    return count if type(count) is int else 0


def gap_places(segment: Path) -> list[tuple[int, int, int]]:
    """Where records are proved to be missing of a finished segment: the byte at which a line with a later number
    begins, or the end of the file, and the first and last number that are missing before it.

    Raises:
        OSError: if it cannot be read.
    """
    places: list[tuple[int, int]] = []
    missing: Ranges = ()
    seq_max = 0
    for at, line in _whole_lines(segment):
        record = decode(line[_BODY_AT:])
        seal = record.get("count") if record.get("type") == "seal" else None
        seqs = [record.get("seq"), seal + 1 if type(seal) is int else None]
        seq_max, missing = noted(seq_max, missing, seqs)
        if type(record.get("seq")) is int:
            places.append((at, record["seq"]))
    end = segment.stat().st_size
    return [
        (next((at for at, seq in places if seq > last), end), first, last)
        for first, last in missing
    ]


def repair(segment: Path) -> Repaired | None:
    """Leave out of a finished segment what cannot be read. The original is kept beside it, and the segment is at every
    moment the one or the other.

    Args:
        segment: the file.

    Returns:
        What was done; None if all of it can be read.

    Raises:
        FormatTooNewError: for a segment that a newer version wrote.
        JournalError: if its writer is still there.
        OSError: if it cannot be read, or what is beside it not be written.
    """
    if not is_finished(segment):
        raise JournalError(f"{segment} is still written")
    if not inspect_segment(segment).damage:
        return None
    hidden, aside = segment.with_name(f".{segment.stem}.new"), _free_name(segment)
    status = segment.stat()
    hidden.unlink(missing_ok=True)  # of a repair that was cut short
    hidden.touch(mode=stat.S_IMODE(status.st_mode))
    try:
        with hidden.open("wb") as file:
            for _, line in _whole_lines(segment):
                file.write(line + b"\n")
            kept = file.tell()
            file.flush()
            os.fsync(file.fileno())
        if status.st_uid != os.geteuid():
            os.chown(hidden, status.st_uid, status.st_gid)
        os.link(segment, aside)
        hidden.replace(segment)
    except OSError:
        hidden.unlink(missing_ok=True)
        raise
    return Repaired(segment, aside, status.st_size - kept)


def _free_name(segment: Path) -> Path:
    """Where an original is kept: not among the segments, and in nobody's way."""
    names = (segment.with_name(f"{segment.stem}.{n}.damaged") for n in itertools.count(1))
    return next(name for name in names if not name.exists())


def _whole_lines(segment: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that can be read, each without its end, and where they begin."""
    at = 0
    with segment.open("rb") as file:
        for line in file:
            for start, whole in whole_lines(line.rstrip(b"\n")):
                if record_of(whole) is not None:
                    yield at + start, whole
            at += len(line)


def retire(segment: Path) -> bool:
    """Delete a segment whose writer is gone; False if it is live. The caller has ingested all of it."""
    if not is_finished(segment):
        return False
    segment.unlink(missing_ok=True)
    return True


def sweep(folder: Path) -> int:
    """Delete what writers left behind that died before their segment had a name, or a book its own; how many. May raise
    OSError."""
    left = [path for path in folder.glob(".*.new") if is_finished(path)]
    old_s = time.time() - _BOOK_WRITTEN_WITHIN_S
    left += [path for path in folder.glob("[bi]*/.*.new") if path.stat().st_mtime < old_s]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)
