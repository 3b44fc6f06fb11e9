"""What no machine has the time or the power switch for: outages of hours and power cuts, by the simulation's clock and
disks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from tests.faults.row import Row
from tests.simulation.run import every

__all__ = ["rows"]

_FAULTS: Final = {
    "lose_ledger_for_hours": "a ledger that is away for two to eight hours while all go on and are killed",
    "cut_power": "a node whose power fails: its agent's disk and its journals end, or have rubbish, anywhere",
}


def rows(short: bool) -> Iterator[Row]:
    """The rows of the simulation, each of the seeds in which that happens beside all else."""
    began_s, seeds = time.monotonic(), 150 if short else 1_500
    told = [found for _, found in every(range(50_000, 50_000 + seeds))]
    seconds = time.monotonic() - began_s
    for fault, what in _FAULTS.items():
        found = [one for one in told if fault in one.faults]
        lost, wrong = sum(len(one.lost) for one in found), sum(len(one.wrong) for one in found)
        made, charged = sum(one.made for one in found), sum(one.charged for one in found)
        yield Row(
            f"by simulated clock, {len(found)} seeds: {what}",
            "0 lost that was promised, 0 doubled, no segment left open",
            f"{made} made, {charged} charged, {lost} lost, {wrong} doubled, wrong or left open",
            len(found) > seeds // 20 and charged > 0 and not lost and not wrong,
            seconds,
        )
