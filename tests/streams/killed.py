"""The settlement job while TaskManagers are killed, compared with the SQLite ledger, entry by entry."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.streaming.partition import PartitionBy
from tests.demo.processes import wait_until
from tests.streams.booked import booked
from tests.streams.flink import Cluster
from tests.streams.settled import Topics, digest, end, read_entries, refusals, send, submit, topics
from tests.streams.worlds import Stream, stream_of

__all__ = [
    "Booked",
    "Settled",
    "Told",
    "compared",
    "settled_while_killed",
    "told_by_a_job",
    "told_by_a_ledger",
]

_CELLS: Final = 32
_WITHIN_S: Final = 14_000
_RUNS_S: Final = 6.0
"""So long at most the job runs before it is disturbed, two checkpoints and more; longer by what a slow machine takes
for what was sent, so that it is disturbed from the beginning of a long stream to its end."""

_SETTLES_PER_S: Final = 1_000
_QUIET_POLLS: Final = 10


class Booked(NamedTuple):
    """What each entry of a ledger says, by its id; and whether their sums by tenant are those of the worlds' calls."""

    said: dict[str, bytes]
    is_true: bool


class Told(NamedTuple):
    """What each entry of a job says, by its id, and how many came twice; of how many observations, some of which it
    refused, and how often a TaskManager was killed."""

    said: dict[str, bytes]
    doubled: int
    observations: int
    refused: int
    killed: int


class Settled(NamedTuple):
    """What came of it: entries, and those that the ledger has and the job has not, that came twice, and that say
    something else, or are the job's alone; and whether the sums by tenant are those of the worlds' calls."""

    observations: int
    killed: int
    entries: int
    lost: int
    doubled: int
    other: int
    refused: int
    is_true: bool

    @property
    def is_equal(self) -> bool:
        """Whether the job's entries are the ledger's."""
        return not (self.lost or self.doubled or self.other) and self.is_true


def settled_while_killed(
    cluster: Cluster, server: str, folder: Path, by: PartitionBy, count: int, kills: int
) -> Settled:
    """Settle a stream of observations on a cluster, and in a ledger, which a process of its own does beside it.

    The stream is made for each of them, since it may be longer than fits into memory.

    Args:
        cluster: with as many TaskManagers as the job is to have slots.
        server: the address of Kafka.
        folder: for files.
        by: what is settled together; by `trace` there is nothing that stands in two.
        count: of observations.
        kills: how often the TaskManager is killed while the job is at it.
    """
    with ProcessPoolExecutor(1) as books:
        ledger = books.submit(told_by_a_ledger, folder / "home", by, count)
        job = told_by_a_job(cluster, server, folder, by, count, kills)
        return compared(job, ledger.result())


def told_by_a_ledger(home: Path, by: PartitionBy, count: int) -> Booked:
    """Settle a stream of observations in a ledger.

    Args:
        home: where it is made.
        by: as for the job.
        count: of observations.
    """
    stream, calls, amounts = _stream(count, by), Counter[str | None](), Counter[str | None]()
    said: dict[str, bytes] = {}
    for one in booked(home, stream.observations):
        said[one.id] = digest(one)
        calls[one.attribution.tenant] += one.calls
        amounts[one.attribution.tenant] += one.amount
    return Booked(said, +calls == stream.calls and +amounts == stream.amounts)


def told_by_a_job(
    cluster: Cluster, server: str, folder: Path, by: PartitionBy, count: int, kills: int
) -> Told:
    """Settle a stream of observations on a cluster.

    Args:
        cluster: with as many TaskManagers as the job is to have slots.
        server: the address of Kafka.
        folder: for files.
        by: what is settled together.
        count: of observations.
        kills: how often the TaskManager is killed while the job is at it.
    """
    to = topics(server, f"killed-{by}")
    said: dict[str, bytes] = {}
    doubled, is_over = 0, _Over()
    with ThreadPoolExecutor(1) as pool:
        job = submit(cluster, to, by, folder, options=("-p", str(len(cluster.taskmanagers()))))
        sender = pool.submit(_send_and_kill, cluster, job, to, by, count, kills)
        for one in read_entries(to, lambda come: is_over(sender, come)):
            doubled += one.id in said
            said[one.id] = digest(one)
        sent, refused = sender.result()
    cluster.cancel(job)
    return Told(said, doubled, sent, refused, kills)


def compared(job: Told, ledger: Booked) -> Settled:
    """Both, entry by entry.

    Args:
        job: what it said.
        ledger: what the ledger said of the same observations.
    """
    return Settled(
        observations=job.observations,
        killed=job.killed,
        entries=len(job.said),
        lost=len(ledger.said.keys() - job.said.keys()),
        doubled=job.doubled,
        other=sum(ledger.said.get(one) != said for one, said in job.said.items()),
        refused=job.refused,
        is_true=ledger.is_true,
    )


def _stream(count: int, by: PartitionBy) -> Stream:
    return stream_of(count, _CELLS, across_traces=by == "cell")


def _send_and_kill(
    cluster: Cluster, job: str, to: Topics, by: PartitionBy, count: int, kills: int
) -> tuple[int, int]:
    """Send a part, and kill a TaskManager while the job is at it; and so on, to the end, where what is no observation
    is sent: once that is refused, and two checkpoints are completed, all is settled. How many observations there were,
    and how many of these were refused."""
    draw, made, sent = random.Random(by), _stream(count, by).observations, 0
    size = count // (kills + 1)
    for _ in range(kills):
        wait_until(lambda: cluster.state(job) == "RUNNING", "the job to run", _WITHIN_S)
        sent += send(to, islice(made, size), by).observations
        time.sleep(draw.uniform(0, _RUNS_S + size / _SETTLES_PER_S))
        draw.choice(cluster.taskmanagers()).kill()
        cluster.start_taskmanager()
    last = send(to, made, by)
    foreign = end(to, last.end_us)
    refused = len(refusals(to, foreign))
    wait_until(lambda: cluster.state(job) == "RUNNING", "the job to run", _WITHIN_S)
    done = cluster.checkpoints(job)
    wait_until(lambda: cluster.checkpoints(job) > done + 1, "two checkpoints", _WITHIN_S)
    return sent + last.observations, refused - foreign


class _Over:
    """Whether all has been sent and settled, and nothing has come for a while after that."""

    def __init__(self) -> None:
        self._until_s = time.monotonic() + _WITHIN_S
        self._quiet = 0

    def __call__(self, sender: Future[tuple[int, int]], come: int) -> bool:
        """Asked whenever nothing came.

        Args:
            sender: who sends.
            come: how many entries did.
        """
        assert time.monotonic() < self._until_s, f"{come} entries came"
        self._quiet += sender.done()
        return self._quiet > _QUIET_POLLS
