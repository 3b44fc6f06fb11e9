"""Which periods a gap in the journal may be of: records that are proved to be missing have no time of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.errors import FormatTooNewError, JournalError
from otel_genai_cost.journal.reader import read
from otel_genai_cost.ledger.storage.cursors import Cursor

__all__ = ["Gap", "gaps_in", "gaps_of"]

_MARGIN_US: Final = 2 * 3_600_000_000
"""A segment is written for an hour at most, and clocks differ a little."""


class Gap(NamedTuple):
    """Records of a segment that are missing, of calls in [from, to), unix microseconds, as far as is known."""

    segment: str
    missing: int
    from_us: int
    to_us: int


def gaps_of(
    cursors: Iterable[Cursor], known: Mapping[tuple[str, int], Gap], now_us: int
) -> list[Gap]:
    """The gaps of a ledger's segments, and the time in which each can be.

    Args:
        cursors: how far each segment is ingested.
        known: gaps that were seen before, by segment and number of records.
        now_us: the present, before which all of them were written, unix microseconds.

    What is missing of a segment is of a time like that of the calls that are left of it: of an hour, or of all that was
    replayed into it. Where its file is gone, or has no call, nothing is known but that it was written before now.
    """
    found: list[Gap] = []
    for cursor in cursors:
        if missing := _missing(cursor):
            gap = known.get((Path(cursor.path).name, missing))
            found.append(_gap(cursor, now_us) if gap is None else gap)
    return found


def _missing(cursor: Cursor) -> int:
    """Records that are missing by their numbers; a line that cannot be read is one of them, or the last of all."""
    return max(cursor.gaps, cursor.damaged)


def _gap(cursor: Cursor, now_us: int) -> Gap:
    path, least_us, most_us = Path(cursor.path), now_us, 0
    try:
        for at_us in _times(path):
            least_us, most_us = min(least_us, at_us), max(most_us, at_us)
    except (OSError, JournalError, FormatTooNewError):
        most_us = 0
    if not most_us:
        return Gap(path.name, _missing(cursor), 0, now_us)
    return Gap(path.name, _missing(cursor), least_us - _MARGIN_US, most_us + _MARGIN_US)


def _times(path: Path) -> Iterator[int]:
    """When each call ended, or began, whose record can be read."""
    offset = -1
    batch = read(path, 0)
    while batch.offset != offset:
        for record in batch.records:
            at_us = record.get("end_us", record.get("start_us"))
            if type(at_us) is int:
                yield at_us
        offset = batch.offset
        batch = read(path, offset)


def gaps_in(gaps: Iterable[Gap], from_us: int, to_us: int) -> int:
    """How many records are missing that may be of a time.

    Args:
        gaps: of all times.
        from_us: unix microseconds.
        to_us: the first instant after it.
    """
    return sum(gap.missing for gap in gaps if gap.from_us < to_us and gap.to_us > from_us)
