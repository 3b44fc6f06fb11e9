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

__all__ = ["Settled", "settled_while_killed"]

_CELLS: Final = 32
_WITHIN_S: Final = 14_000
_RUNS_S: Final = 6.0
"""So long at most the job runs before it is disturbed, two checkpoints and more; longer by what a slow machine takes
for what was sent, so that it is disturbed from the beginning of a long stream to its end."""

_SETTLES_PER_S: Final = 1_000


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


class _Booked(NamedTuple):
    """What each entry of a ledger says, by its id; and whether their sums by tenant are those of the worlds."""

    said: dict[str, bytes]
    is_true: bool


def settled_while_killed(
    cluster: Cluster, server: str, folder: Path, by: PartitionBy, count: int, kills: int
) -> Settled:
    """Settle a stream of observations on a cluster, and in a ledger.

    The stream is made for each of them, since it may be longer than fits into memory.

    Args:
        cluster: with as many TaskManagers as the job is to have slots.
        server: the address of Kafka.
        folder: for files.
        by: what is settled together; by `trace` there is nothing that stands in two.
        count: of observations.
        kills: how often the TaskManager is killed while the job is at it.
    """
    to = topics(server, f"killed-{by}")
    found: dict[str, bytes] = {}
    doubled, until_s = 0, time.monotonic() + _WITHIN_S
    with ProcessPoolExecutor(1) as books, ThreadPoolExecutor(1) as pool:
        ledger = books.submit(_of_a_ledger, folder / "home", by, count)
        job = submit(cluster, to, by, folder, options=("-p", str(len(cluster.taskmanagers()))))
        sender = pool.submit(_send_and_kill, cluster, job, to, by, count, kills)
        for one in read_entries(to, lambda come: _is_over(sender, ledger, come, until_s)):
            doubled += one.id in found
            found[one.id] = digest(one)
        (sent, foreign), booked_there = sender.result(), ledger.result()
    refused = len(refusals(to, foreign))
    cluster.cancel(job)
    wanted = booked_there.said
    return Settled(
        observations=sent,
        killed=kills,
        entries=len(found),
        lost=len(wanted.keys() - found.keys()),
        doubled=doubled,
        other=sum(wanted.get(one) != said for one, said in found.items()),
        refused=refused - foreign,
        is_true=booked_there.is_true,
    )


def _of_a_ledger(home: Path, by: PartitionBy, count: int) -> _Booked:
    """In a process of its own, beside the job."""
    stream, calls, amounts = _stream(count, by), Counter[str | None](), Counter[str | None]()
    said: dict[str, bytes] = {}
    for one in booked(home, stream.observations):
        said[one.id] = digest(one)
        calls[one.attribution.tenant] += one.calls
        amounts[one.attribution.tenant] += one.amount
    return _Booked(said, +calls == stream.calls and +amounts == stream.amounts)


def _stream(count: int, by: PartitionBy) -> Stream:
    return stream_of(count, _CELLS, across_traces=by == "cell")


def _send_and_kill(
    cluster: Cluster, job: str, to: Topics, by: PartitionBy, count: int, kills: int
) -> tuple[int, int]:
    """Send a part, and kill a TaskManager while the job is at it; and so on, to the end, where what is no observation
    is sent. How many observations there were, and how many of these."""
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
    wait_until(lambda: cluster.state(job) == "RUNNING", "the job to run", _WITHIN_S)
    done = cluster.checkpoints(job)
    wait_until(lambda: cluster.checkpoints(job) > done + 1, "two checkpoints", _WITHIN_S)
    return sent + last.observations, foreign


def _is_over(
    sender: Future[tuple[int, int]], ledger: Future[_Booked], come: int, until_s: float
) -> bool:
    """Whether all came, and nothing more after that; or no more will come."""
    assert time.monotonic() < until_s, f"{come} entries came"
    if any(one.done() and one.exception() is not None for one in (sender, ledger)):
        return True
    return sender.done() and ledger.done() and come >= len(ledger.result().said)
