"""What a journal that cannot be written as it should says: what, where, and what to do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from otel_genai_cost.journal.open_segment import Fate

__all__ = [
    "say_fall_back",
    "say_full",
    "say_lost",
    "say_replaced",
    "say_unprepared",
    "say_unwritable",
]

_logger = logging.getLogger("otel_genai_cost")


def say_unwritable(folders: Sequence[Path], waiting: int, dropped: int) -> None:
    """No folder takes a record.

    Args:
        folders: those that were tried.
        waiting: how many records are in memory.
        dropped: how many are lost.
    """
    _logger.error(
        "no journal folder can be written (%s): %d record(s) in memory only, %d lost; "
        "free space or set OTEL_GENAI_COST_JOURNAL to a writable folder",
        ", ".join(map(str, folders)) or "none is configured",
        waiting,
        dropped,
    )


def say_full(folder: Path, limit_bytes: int, waiting: int, dropped: int) -> None:
    """The folder holds as much as it may, and no ledger has what is finished there.

    Args:
        folder: the journal's.
        limit_bytes: what it may hold.
        waiting: how many records are in memory.
        dropped: how many are lost.
    """
    _logger.error(
        "the journal in %s holds its %d MiB, and no ledger has read what is finished there: %d record(s) in memory "
        "only, %d lost; let `genai-cost ship --follow` read it (`genai-cost journal ls` shows how far one is), or "
        "raise OTEL_GENAI_COST_JOURNAL_LIMIT_MIB",
        folder,
        limit_bytes >> 20,
        waiting,
        dropped,
    )


def say_lost(count: int) -> None:
    """The process ends, and records are in memory only."""
    _logger.error("no journal folder could be written before the end: %d record(s) are lost", count)


def say_fall_back(failed: str, folder: Path) -> None:
    """A ledger that reads the folder meant, from another container perhaps, does not see these calls."""
    _logger.error(
        "the journal cannot be written in %s and goes to %s; let the ledger read it there, "
        "or set OTEL_GENAI_COST_JOURNAL to a writable folder",
        failed,
        folder,
    )


def say_replaced(path: Path, fate: Fate, written_count: int) -> None:
    """Somebody took a segment away.

    Args:
        path: where it was.
        fate: what became of it.
        written_count: how many records are written again.
    """
    _logger.error(
        "the journal segment %s was %s while it was written; another is begun, and the %d record(s) since the last "
        "look are written again there; keep log rotation and clean-up away from the journal",
        path,
        fate,
        written_count,
    )


def say_unprepared(folder: Path, error: OSError) -> None:
    """What belongs beside the segments has to wait."""
    _logger.error(
        "calls are journalled in %s, but the price book cannot be kept beside them yet (%s); until it can, this ledger "
        "cannot rate them again with it; free some space",
        folder,
        error,
    )
