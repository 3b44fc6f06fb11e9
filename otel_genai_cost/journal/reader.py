"""Reading: from any offset, line by line, past anything that is damaged.

A reader never waits for a writer and never trusts a byte: a line counts if its checksum holds and it is a JSON
object. The torn last line of a live segment is left for later. What the header says for all records is read with each
batch, so nothing is to be remembered; where it is damaged, records have the segment's name for their process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import SEEK_END
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

from otel_genai_cost.errors import FormatTooNewError, JournalError
from otel_genai_cost.journal.codec import decode
from otel_genai_cost.journal.files import can_lock, is_segment
from otel_genai_cost.journal.open_segment import FORMAT
from otel_genai_cost.journal.record import completed
from otel_genai_cost.usage.read import NOTHING

__all__ = ["LINE_LIMIT_BYTES", "Batch", "Damage", "is_finished", "read", "segments"]

LINE_LIMIT_BYTES: Final = 1024 * 1024
_BATCH_BYTES: Final = 4 * LINE_LIMIT_BYTES
_CRC_DIGITS: Final = 8


class Damage(NamedTuple):
    """A line that does not count: where it begins, and why."""

    offset: int
    reason: str


_BEGINNING: Final = re.compile(rb"[0-9a-f]{8} \{")


class Batch(NamedTuple):
    """What was read. `offset` is where to read on; `sealed` is the writer's own count once it ended in order.

    `at_end` says that nothing but a torn line is left for now. `process` is who writes the segment, if the header is
    in this batch. A record with a `type` is no observation.
    """

    records: list[dict[str, Any]]
    offset: int
    damage: list[Damage]
    sealed: int | None
    at_end: bool
    process: str = ""


def segments(folder: Path) -> list[Path]:
    """The segments of a folder, oldest first; [] if there is no such folder. Other files are ignored."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in paths if is_segment(path.name)]


def is_finished(segment: Path) -> bool:
    """Whether its writer is gone: what cannot be read now will never be. Ask before the last read, not after."""
    return can_lock(segment)


def read(segment: Path, offset: int = 0, *, finished: bool = False) -> Batch:
    """Read at most about 4 MiB of a segment's records.

    Args:
        segment: the file.
        offset: where the last read ended, in bytes.
        finished: whether its writer is gone, so that a line without its end is torn and not yet to come.

    Raises:
        FormatTooNewError: for a segment that a newer major version wrote.
        OSError: if it cannot be read.
    """
    with segment.open("rb") as file:
        facts = _facts(file.readline(LINE_LIMIT_BYTES), segment)
        is_cut = file.seek(0, SEEK_END) < offset
        offset = file.seek(0 if is_cut else offset)
        data = file.read(_BATCH_BYTES)
    at_end = len(data) < _BATCH_BYTES
    end = data.rfind(b"\n") + 1
    damage = [Damage(0, "shorter than what was read of it: read again from its start")]
    batch = Batch([], offset + end, damage if is_cut else [], None, at_end)
    place = offset
    for line in data[:end].split(b"\n")[:-1]:
        batch = _take(batch, line, place, segment, facts)
        place += len(line) + 1
    if end == len(data):
        return batch
    return _tail(batch, len(data) - end, finished and at_end)


def _tail(batch: Batch, rest: int, is_last: bool) -> Batch:
    """Bytes after the last line feed: torn for good, too long to be a line, or not yet complete."""
    if is_last:
        batch.damage.append(Damage(batch.offset, "torn line at the end"))
        return batch._replace(offset=batch.offset + rest)
    if rest > LINE_LIMIT_BYTES:
        batch.damage.append(Damage(batch.offset, f"no line feed within {rest} bytes"))
        return batch._replace(offset=batch.offset + rest)
    return batch


def _facts(line: bytes, segment: Path) -> Mapping[str, Any]:
    """What the header says for all records that do not say it themselves; of a header that cannot be read only that
    they are of one process."""
    header = _record(Batch([], 0, [], None, False), line.rstrip(b"\n"), 0, NOTHING) or {}
    facts = header.get("facts")
    unknown = {"origin": [None, None, None, None, f"segment:{segment.stem}"], "scope_version": ""}
    return {**unknown, **facts} if isinstance(facts, dict) else unknown


def _take(batch: Batch, line: bytes, place: int, segment: Path, facts: Mapping[str, Any]) -> Batch:
    record = _record(batch, line, place, facts)
    if record is None and (whole := _whole_line(line)) is not None:
        record = _record(batch, whole, place, facts)
    if record is None:
        return batch
    kind = record.get("type")
    if kind == "seal":
        count = record.get("count")
        return batch._replace(sealed=count if type(count) is int else None)
    if kind == "header":
        if record.get("format") != FORMAT:
            raise FormatTooNewError(f"journal segment {segment}", record.get("format"), FORMAT)
        return batch._replace(process=_process(record))
    batch.records.append(record)
    return batch


def _process(header: dict[str, Any]) -> str:
    """Whose segment it is, the same for all of a process."""
    return " ".join(str(header.get(key, "")) for key in ("host", "boot_id", "pid"))


def _whole_line(line: bytes) -> bytes | None:
    """The whole line at the end of a broken one: a write that ended short has no line feed, and another thread's line
    may follow before the writer leaves the segment."""
    for found in _BEGINNING.finditer(line, 1):
        whole = line[found.start() :]
        if whole[:_CRC_DIGITS] == b"%08x" % crc32(whole[_CRC_DIGITS + 1 :]):
            return whole
    return None


def _record(
    batch: Batch, line: bytes, place: int, facts: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The record of a line whose checksum holds."""
    body = line[_CRC_DIGITS + 1 :]
    if line[:_CRC_DIGITS] != b"%08x" % crc32(body) or line[_CRC_DIGITS : _CRC_DIGITS + 1] != b" ":
        batch.damage.append(Damage(place, f"checksum does not hold for {len(line)} bytes"))
        return None
    try:
        return completed(decode(body), facts)
    except JournalError as error:
        batch.damage.append(Damage(place, str(error)))
        return None
