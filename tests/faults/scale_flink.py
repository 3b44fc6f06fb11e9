"""TaskManagers that are killed while the settlement job runs on a cluster of Flink.

Usage, for other sizes than the table's: python -m tests.faults.scale_flink KEY OBSERVATIONS KILLS SLOTS
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from otel_genai_cost.streaming.partition import PARTITIONS, PartitionBy
from tests.faults.row import Row
from tests.streams.flink import flink_over_kafka
from tests.streams.killed import settled_while_killed

__all__ = ["rows"]

_OBSERVATIONS: Final = 1_000_000
_KILLS: Final = 20
_SHORT: Final = (4_000, 2)


def rows(short: bool) -> Iterator[Row]:
    """One for each key: the job's entries are those of the SQLite ledger, and the worlds' sums by tenant.

    Args:
        short: whether fewer observations and kills will do.
    """
    count, kills = _SHORT if short else (_OBSERVATIONS, _KILLS)
    yield from _rows(PARTITIONS, count, kills, slots=1, quick=short)


def _rows(
    keys: Sequence[PartitionBy], count: int, kills: int, slots: int, *, quick: bool
) -> Iterator[Row]:
    with flink_over_kafka(slots, quick=quick) as (cluster, server, folder):
        for by in keys:
            own, begun_s = folder / by, time.monotonic()
            own.mkdir()
            one = settled_while_killed(cluster, server, own, by, count, kills)
            yield Row(
                f"Flink by {by}: TaskManager killed {one.killed} times, {one.observations:,} observations",
                "the ledger's entries",
                f"{one.entries:,} entries, {one.lost} lost, {one.doubled} doubled, {one.other} other",
                one.is_equal,
                time.monotonic() - begun_s,
            )


if __name__ == "__main__":
    key, *sizes = sys.argv[1:]
    count, kills, slots = map(int, sizes)
    print(*_rows([one for one in PARTITIONS if one == key], count, kills, slots, quick=False))
