"""What state a journal folder is in, and putting away what is done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.missing import SEQ_LIMIT, Ranges, count, noted
from otel_genai_cost.journal.reader import Damage, is_finished, read, segments

__all__ = ["SegmentState", "inspect", "retire", "sweep"]

_BOOK_WRITTEN_WITHIN_S: Final = 3_600


class SegmentState(NamedTuple):
    """One segment. `gaps` counts sequence numbers that are proved to be missing: 0 while it is live."""

    path: Path
    records: int
    finished: bool
    sealed: bool
    gaps: int
    damage: tuple[Damage, ...]


def inspect(folder: Path) -> list[SegmentState]:
    """Read every segment of a folder once."""
    return [_state(path) for path in segments(folder)]


def _state(path: Path) -> SegmentState:
    finished = is_finished(path)
    missing: Ranges = ()
    damage: list[Damage] = []
    offset, sealed, at_end = 0, 0, False
    records = seq_max = 0
    is_sealed = False
    while not at_end:
        batch = read(path, offset, finished=finished)
        seqs = (record.get("seq") for record in batch.records)
        seq_max, missing = noted(seq_max, missing, seqs)
        records += len(batch.records)
        damage += batch.damage
        if batch.sealed is not None:
            sealed, is_sealed = min(batch.sealed, SEQ_LIMIT), True
        offset, at_end = batch.offset, batch.at_end
    gaps = count(missing) + max(0, sealed - seq_max) if finished else 0
    return SegmentState(path, records, finished, is_sealed, gaps, tuple(damage))


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
    left += [path for path in folder.glob("books/.*.new") if path.stat().st_mtime < old_s]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)
