"""Observations settled a second by workers with a Redis and by slots of Flink, beside the SQLite ledger.

What one observation takes of a processor says what more of them would settle on machines of their own.

Usage: python -m tests.streams.slots [COUNT]
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from tests.demo.processes import children, wait_until
from tests.demo.stage import clean_environment
from tests.queues.brokers import Brokers
from tests.streams.booked import booked
from tests.streams.flink import Cluster, flink_cluster
from tests.streams.settled import end, read_entries, send, submit, topics
from tests.streams.worlds import stream_of

__all__ = ["LEDGER", "Rate", "rates"]

LEDGER: Final = "the SQLite ledger"
_COMMAND: Final = Path(sys.executable).with_name("genai-cost")
_CELLS: Final = 32
_WITHIN_S: Final = 3_600.0
_WEEK_US: Final = 7 * 86_400_000_000


class Rate(NamedTuple):
    """How fast something settles.

    Attributes:
        by: what.
        number: how many of it, side by side.
        a_second: observations, by the clock.
        cpu_us: what all of it takes of a processor for each.
    """

    by: str
    number: int
    a_second: float
    cpu_us: float


class _Took(NamedTuple):
    """Seconds on the clock, and of processors."""

    clock_s: float
    cpu_s: float


def rates(count: int, folder: Path) -> Iterator[Rate]:
    """The ledger, first and last, and in between one and two of what scales out.

    Args:
        count: of observations, keyed by cell.
        folder: for all files.
    """
    begin_us = time.time_ns() // 1_000 - _WEEK_US  # a worker refuses what is older than 35 days
    sent = list(stream_of(count, _CELLS, across_traces=True, begin_us=begin_us).observations)

    def rate(by: str, number: int, took: _Took) -> Rate:
        return Rate(by, number, len(sent) / took.clock_s, took.cpu_s / len(sent) * 1e6)

    entries, took = _by_ledger(sent, folder / "before")
    yield rate(LEDGER, 1, took)
    with ExitStack() as stack:
        brokers = Brokers(folder, stack)
        for number in (1, 2):
            yield rate("worker", number, _by_workers(brokers, sent, number, folder))
        for number in (1, 2):
            yield rate("slot of Flink", number, _by_flink(brokers, sent, entries, number, folder))
    yield rate(LEDGER, 1, _by_ledger(sent, folder / "after")[1])


def _by_ledger(sent: list[Observation], home: Path) -> tuple[int, _Took]:
    """How many entries it books, and what that took."""
    begun_s, before_s = time.monotonic(), time.process_time()
    entries = sum(1 for _ in booked(home, sent))
    return entries, _Took(time.monotonic() - begun_s, time.process_time() - before_s)


def _by_workers(brokers: Brokers, sent: list[Observation], workers: int, folder: Path) -> _Took:
    """From when they are started, with everything on the topic, until the last has ended."""
    to = topics(brokers.address("kafka", folder), f"workers-{workers}")
    send(to, sent, "cell")
    command: list[str | Path] = [_COMMAND, "worker", "--drain", "--json"]
    command += ["--state", brokers.address("redis", folder)]
    command += ["--option", f"servers={to.server}", "--option", f"topic={to.observations}"]
    with children() as family:
        begun_s, before_s = time.monotonic(), _ended_cpu_s()
        for number in range(workers):
            log = folder / f"worker-{workers}-{number}.log"
            family.start(f"worker {number}", command, log, clean_environment())
        codes = [child.wait(_WITHIN_S) for child in family]
        took = _Took(time.monotonic() - begun_s, _ended_cpu_s() - before_s)
        assert not any(codes), [child.output() for child in family]
        done = [json.loads(child.output().splitlines()[-1]) for child in family]
    assert sum(one["observations"] for one in done) == len(sent), done
    return took


def _ended_cpu_s() -> float:
    """Of our children that have ended, which no server has meanwhile."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


def _by_flink(
    brokers: Brokers, sent: list[Observation], entries: int, slots: int, folder: Path
) -> _Took:
    """From when the job runs, with everything on the topic, to its last entry; processors are those that TaskManagers
    have."""
    to = topics(brokers.address("kafka", folder), f"slots-{slots}")
    own = folder / f"slots-{slots}"
    own.mkdir()
    with flink_cluster(own, slots, quick=False) as cluster:
        send(to, sent, "cell")
        end(to, sent[-1].end_us)
        job = submit(cluster, to, "cell", own, options=("-p", str(slots)))
        wait_until(lambda: cluster.state(job) == "RUNNING", "the job to run", 300)
        begun_s = last_s = time.monotonic()
        before_s = _cpu_s(cluster)
        for _ in read_entries(to, lambda count: count >= entries):
            last_s = time.monotonic()
            assert last_s < begun_s + _WITHIN_S, cluster.failures(job)
        return _Took(last_s - begun_s, _cpu_s(cluster) - before_s)


def _cpu_s(cluster: Cluster) -> float:
    return sum(manager.cpu_s() for manager in cluster.taskmanagers())


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        for one in rates(count, Path(folder)):
            print(
                f"{one.by:20} {one.number} {one.a_second:8.0f} observations/s,"
                f" {one.cpu_us:6.0f} us of a processor each",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
