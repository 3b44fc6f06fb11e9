"""What state a journal folder is in, and putting away what is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.journal.missing import SEQ_LIMIT, Ranges, count, noted
from otel_genai_cost.journal.reader import Damage, is_finished, read, segments

__all__ = ["SegmentState", "inspect", "inspect_segment", "retire", "sweep"]

_BOOK_WRITTEN_WITHIN_S: Final = 3_600


class SegmentState(NamedTuple):
    """One segment. `gaps` counts sequence numbers that are proved to be missing: 0 while it is live. `lost` is how many
    records its writer has said are lost, as it last said; they are among the gaps once they are proved."""

    path: Path
    records: int
    finished: bool
    sealed: bool
    gaps: int
    damage: tuple[Damage, ...]
    lost: int = 0


def inspect(folder: Path) -> list[SegmentState]:
    """Read every segment of a folder once."""
    return [inspect_segment(path) for path in segments(folder)]


def inspect_segment(path: Path) -> SegmentState:
    """Read a segment once.

    Raises:
        FormatTooNewError: for a segment that a newer version wrote.
        OSError: if it cannot be read.
    """
    finished = is_finished(path)
    missing: Ranges = ()
    damage: list[Damage] = []
    offset, sealed, at_end = 0, 0, False
    records = seq_max = lost = 0
    is_sealed = False
    while not at_end:
        batch = read(path, offset, finished=finished)
        seqs = (record.get("seq") for record in batch.records)
        seq_max, missing = noted(seq_max, missing, seqs)
        records += len(batch.records)
        lost = max([lost, *map(_lost, batch.records)])
        damage += batch.damage
        if batch.sealed is not None:
            sealed, is_sealed = min(batch.sealed, SEQ_LIMIT), True
        offset, at_end = batch.offset, batch.at_end
    gaps = count(missing) + max(0, sealed - seq_max) if finished else 0
    return SegmentState(
        path=path,
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
