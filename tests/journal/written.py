"""What a journal folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otel_genai_cost.journal.reader import read, segments

__all__ = ["records"]


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record of a folder's segments, whole files at once."""
    found: list[dict[str, Any]] = []
    for segment in segments(folder):
        offset, at_end = 0, False
        while not at_end:
            batch = read(segment, offset)
            found += batch.records
            offset, at_end = batch.offset, batch.at_end
    return found
