"""Whether the edge that was configured was in the way of the requests that made calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, failed, fine
from otel_genai_cost.cli.home import Home
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.reader import read, segments

__all__ = ["bypassed"]

_DAYS: Final = 7
_DAY_US: Final = 86_400_000_000
_REMEDY: Final = (
    "no edge was in the way of these requests: see which are there for your server in docs/reference/edges.md, wrap "
    "the application in TenantEdge, or bind the tenant with tenant(); where they stand: `genai-cost doctor --calls`"
)


def bypassed(home: Home) -> Iterator[Found]:
    """Calls of the last days whose request passed no edge, in the journals and in the ledger."""
    since_us = time.time_ns() // 1000 - _DAYS * _DAY_US
    try:
        found = {*_in_journals(home, since_us), *_in_ledger(home, since_us)}
    except (OSError, GenAICostError) as error:
        yield failed("tenant edge", "cannot be determined", " | ".join(str(error).splitlines()))
        return
    if found:
        yield failed("tenant edge", f"{len(found)} calls in {_DAYS} days are nobody's", _REMEDY)
    else:
        yield fine("tenant edge", f"no call in {_DAYS} days whose request passed none")


def _in_journals(home: Home, since_us: int) -> Iterator[str]:
    for folder in home.journals:
        for segment in segments(folder):
            yield from _in_segment(segment, since_us)


def _in_segment(segment: Path, since_us: int) -> Iterator[str]:
    offset, at_end = 0, False
    while not at_end:
        batch = read(segment, offset)
        for record in batch.records:
            attribution, end_us = record.get("attribution"), record.get("end_us")
            is_bypassed = isinstance(attribution, dict) and "edge_bypassed" in attribution.values()
            if is_bypassed and isinstance(end_us, int) and end_us >= since_us:
                yield str(record.get("id"))
        at_end = batch.at_end or batch.offset == offset
        offset = batch.offset


def _in_ledger(home: Home, since_us: int) -> Iterator[str]:
    if not home.has_ledger:
        return
    ledger = home.ledger()
    try:
        for stored in ledger.observations.settled_since(since_us):
            if stored.observation.attribution.absent == "edge_bypassed":
                yield stored.observation.id
    finally:
        ledger.close()
