"""Where observations are kept: the journal's folders and the segments in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, failed, judged
from otel_genai_cost.cli.home import Home
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.repair import SegmentState, inspect

__all__ = ["journal", "segments"]

_FREE_BYTES_MIN: Final = 256 * 1024 * 1024


def journal(home: Home) -> Iterator[Found]:
    """The first folder that can be written, and the space there."""
    folder = next(filter(_writable, home.journals), None)
    if folder is None:
        remedy = "set OTEL_GENAI_COST_JOURNAL to a writable folder"
        yield failed("journal", "no folder can be written", remedy)
        return
    free = shutil.disk_usage(folder).free
    seen = f"{folder}, {free // 2**20:,} MiB free"
    if folder != home.journals[0]:
        meant = f"make {home.journals[0]} writable, or set OTEL_GENAI_COST_JOURNAL"
        yield failed("journal", f"{seen}: a fall-back", meant)
    else:
        yield judged("journal", free >= _FREE_BYTES_MIN, seen, "free some space")


def _writable(folder: Path) -> bool:
    probe = folder / ".doctor"
    try:
        OsFiles().make_folder(folder)
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def segments(home: Home) -> Iterator[Found]:
    """Damage and gaps in what the journals hold now."""
    states = [state for folder in home.journals for state in _inspected(folder)]
    damaged = sum(len(state.damage) for state in states)
    gaps = sum(state.gaps for state in states)
    live = sum(not state.finished for state in states)
    seen = f"{len(states)} segments, {live} live, {damaged} damaged lines, {gaps} missing records"
    remedy = "a disk was full or a file was edited; compare with your traces"
    yield judged("segments", not (damaged or gaps), seen, remedy)


def _inspected(folder: Path) -> list[SegmentState]:
    try:
        return inspect(folder)
    except (OSError, GenAICostError):
        return []
