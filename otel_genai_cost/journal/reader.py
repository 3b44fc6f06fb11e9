"""Reading: from any offset, line by line, past anything that is damaged.

A reader never waits for a writer and never trusts a byte: a line counts if its checksum holds and it is a JSON
object. The torn last line of a live segment is left for later. What the header says for all records is read with each
batch, so nothing is to be remembered; where it is damaged, records have the segment's name for their process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from json import JSONDecoder
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

__all__ = [
    "LINE_LIMIT_BYTES",
    "Batch",
    "Damage",
    "checksum_holds",
    "is_finished",
    "read",
    "record_of",
    "segments",
    "whole_lines",
]

LINE_LIMIT_BYTES: Final = 1024 * 1024
_BATCH_BYTES: Final = 4 * LINE_LIMIT_BYTES
_CRC_DIGITS: Final = 8


class Damage(NamedTuple):
    """A line that does not count: where it begins, and why."""

    offset: int
    reason: str


_BEGINNING: Final = re.compile(rb"[0-9a-f]{8} \{")
_JSON: Final = JSONDecoder()


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

    @property
    def seqs(self) -> list[object]:
        """The numbers of what was read. A seal has used up the one behind those that it counts: another thread, which
        was about to write, may have taken the next."""
        own = () if self.sealed is None else (self.sealed + 1,)
        return [*(record.get("seq") for record in self.records), *own]


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
    rest = data[end:]
    if finished and at_end and rest:
        return _last(batch, rest, segment, facts)
    return _unfinished(batch, len(rest))


def _last(batch: Batch, rest: bytes, segment: Path, facts: Mapping[str, Any]) -> Batch:
    """Bytes after the last line feed, torn for good; a line that lacks nothing else counts."""
    if [whole for _, whole in whole_lines(rest)] != [rest]:
        batch.damage.append(Damage(batch.offset, "torn line at the end"))
    at = batch.offset
    for start, whole in whole_lines(rest):
        batch = _take(batch, whole, at + start, segment, facts)
    return batch._replace(offset=at + len(rest))


def _unfinished(batch: Batch, rest: int) -> Batch:
    """So many bytes after the last line feed: too long to be a line, or not yet complete."""
    if rest > LINE_LIMIT_BYTES:
        batch.damage.append(Damage(batch.offset, f"no line feed within {rest} bytes"))
        return batch._replace(offset=batch.offset + rest)
    return batch


def _facts(line: bytes, segment: Path) -> Mapping[str, Any]:
    """What the header says for all records that do not say it themselves; of a header that cannot be read only that
    they are of one process."""
    header = record_of(line.rstrip(b"\n")) or {}
    facts = header.get("facts")
    unknown = {"origin": [None, None, None, None, f"segment:{segment.stem}"], "scope_version": ""}
    return {**unknown, **facts} if isinstance(facts, dict) else unknown


def _take(batch: Batch, line: bytes, place: int, segment: Path, facts: Mapping[str, Any]) -> Batch:
    record = _record(batch, line, place, facts)
    if record is not None:
        return _kept(batch, record, segment)
    for start, whole in whole_lines(line):
        found = _record(batch, whole, place + start, facts) if len(whole) < len(line) else None
        batch = batch if found is None else _kept(batch, found, segment)
    return batch


def _kept(batch: Batch, record: dict[str, Any], segment: Path) -> Batch:
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


def whole_lines(line: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole lines inside a broken one, each without its end, and where it begins.

    A write that ended short has no line feed, and another thread's line may follow before the writer leaves the
    segment; and a line feed may be what a disk lost.
    """
    at = 0
    while found := _BEGINNING.search(line, at):
        start = found.start()
        end = start + _CRC_DIGITS + 1 + _json_bytes(line[start + _CRC_DIGITS + 1 :])
        whole = line[start:end]
        is_whole = whole[:_CRC_DIGITS] == b"%08x" % crc32(whole[_CRC_DIGITS + 1 :])
        if is_whole:
            yield start, whole
        at = end if is_whole else start + 1


def checksum_holds(line: bytes) -> bool:
    """Whether a line, without its end, is as it was written."""
    return line[_CRC_DIGITS : _CRC_DIGITS + 1] == b" " and (
        line[:_CRC_DIGITS] == b"%08x" % crc32(line[_CRC_DIGITS + 1 :])
    )


def record_of(line: bytes) -> dict[str, Any] | None:
    """What a whole line, without its end, says by itself; None if it does not count."""
    return _record(Batch([], 0, [], None, False), line, 0, NOTHING)


def _json_bytes(text: bytes) -> int:
    """How many bytes the JSON value at the beginning takes; 0 if there is none."""
    decoded = text[:LINE_LIMIT_BYTES].decode("utf-8", "surrogateescape")
    try:
        _, end = _JSON.raw_decode(decoded)
    except (ValueError, RecursionError):
        return 0
    return len(decoded[:end].encode("utf-8", "surrogateescape"))


def _record(
    batch: Batch, line: bytes, place: int, facts: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The record of a line whose checksum holds."""
    body = line[_CRC_DIGITS + 1 :]
    if not checksum_holds(line):
        batch.damage.append(Damage(place, f"checksum does not hold for {len(line)} bytes"))
        return None
    try:
        return completed(decode(body), facts)
    except JournalError as error:
        batch.damage.append(Damage(place, str(error)))
        return None
