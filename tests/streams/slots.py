"""Observations settled a second by one slot of Flink and by two, beside the SQLite ledger.

What one observation takes of a processor says what more slots would settle on machines of their own.

Usage: python -m tests.streams.slots [COUNT]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from tests.demo.processes import wait_until
from tests.queues.brokers import Brokers
from tests.streams.booked import booked
from tests.streams.flink import Cluster, flink_cluster
from tests.streams.settled import end, read_entries, send, submit, topics
from tests.streams.worlds import stream_of

_CELLS: Final = 32
_WITHIN_S: Final = 3_600.0


class Rate(NamedTuple):
    """What settles, how many observations a second of the clock, and what processes take for each."""

    name: str
    observations_per_s: float
    cpu_us: float


def rates(count: int, folder: Path) -> Iterator[Rate]:
    """The ledger's rate, and those of one slot and of two.

    Args:
        count: of observations, keyed by cell.
        folder: for all files.
    """
    sent = list(stream_of(count, _CELLS, across_traces=True).observations)
    begun_s, before_s = time.monotonic(), time.process_time()
    entries = sum(1 for _ in booked(folder / "home", sent))
    took_s = time.monotonic() - begun_s
    yield _rate("the SQLite ledger", len(sent), took_s, time.process_time() - before_s)
    with ExitStack() as stack:
        server = Brokers(folder, stack).address("kafka", folder)
        for slots in (1, 2):
            own = folder / f"slots-{slots}"
            own.mkdir()
            with flink_cluster(own, slots, quick=False) as cluster:
                took_s, cpu_s = _took_s(cluster, server, sent, entries, slots, own)
            yield _rate(f"{slots} slot(s) of Flink", len(sent), took_s, cpu_s)


def _rate(name: str, observations: int, took_s: float, cpu_s: float) -> Rate:
    return Rate(name, observations / took_s, cpu_s / observations * 1e6)


def _took_s(
    cluster: Cluster, server: str, sent: list[Observation], entries: int, slots: int, folder: Path
) -> tuple[float, float]:
    """From when the job runs, with everything on the topic, to its last entry: on the clock, and of processors that
    TaskManagers have."""
    to = topics(server, f"slots-{slots}")
    send(to, sent, "cell")
    end(to, sent[-1].end_us)
    job = submit(cluster, to, "cell", folder, options=("-p", str(slots)))
    wait_until(lambda: cluster.state(job) == "RUNNING", "the job to run", 300)
    begun_s = last_s = time.monotonic()
    before_s = _cpu_s(cluster)
    for _ in read_entries(to, lambda count: count >= entries):
        last_s = time.monotonic()
        assert last_s < begun_s + _WITHIN_S, cluster.failures(job)
    return last_s - begun_s, _cpu_s(cluster) - before_s


def _cpu_s(cluster: Cluster) -> float:
    return sum(manager.cpu_s() for manager in cluster.taskmanagers())


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        for one in rates(count, Path(folder)):
            print(
                f"{one.name:24} {one.observations_per_s:8.0f} observations/s,"
                f" {one.cpu_us:6.0f} us of a processor each",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
