"""The settlement job while TaskManagers are killed, compared with the SQLite ledger, entry by entry."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.streaming.partition import PartitionBy
from tests.demo.processes import wait_until
from tests.streams.booked import booked
from tests.streams.flink import Cluster
from tests.streams.settled import Topics, digest, end, read_entries, refusals, send, submit, topics
from tests.streams.worlds import stream_of

__all__ = ["Settled", "settled_while_killed"]

_CELLS: Final = 32
_WITHIN_S: Final = 14_000
_RUNS_S: Final = 6.0
"""So long at most the job runs before it is disturbed: two checkpoints and more."""


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
    """Settle a stream of observations on a cluster, and in a ledger.

    Args:
        cluster: with one TaskManager.
        server: the address of Kafka.
        folder: for files.
        by: what is settled together; by `trace` there is nothing that stands in two.
        count: of observations.
        kills: how often the TaskManager is killed while the job is at it.
    """
    stream = stream_of(count, _CELLS, across_traces=by == "cell")
    sent = list(stream.observations)
    calls: Counter[str | None] = Counter()
    amounts: Counter[str | None] = Counter()
    wanted: dict[str, bytes] = {}
    for one in booked(folder / "home", sent):
        wanted[one.id] = digest(one)
        calls[one.attribution.tenant] += one.calls
        amounts[one.attribution.tenant] += one.amount
    to = topics(server, f"killed-{by}")
    job = submit(cluster, to, by, folder)
    found: dict[str, bytes] = {}
    doubled, until_s = 0, time.monotonic() + _WITHIN_S
    with ThreadPoolExecutor(1) as pool:
        sender = pool.submit(_send_and_kill, cluster, job, to, by, sent, kills)
        for one in read_entries(to, lambda come: _is_over(sender, come, wanted, until_s)):
            doubled += one.id in found
            found[one.id] = digest(one)
        killed, foreign = sender.result()
    refused = len(refusals(to, foreign))
    cluster.cancel(job)
    return Settled(
        observations=len(sent),
        killed=killed,
        entries=len(found),
        lost=len(wanted.keys() - found.keys()),
        doubled=doubled,
        other=sum(wanted.get(one) != said for one, said in found.items()),
        refused=refused - foreign,
        is_true=+calls == stream.calls and +amounts == stream.amounts,
    )


def _send_and_kill(
    cluster: Cluster, job: str, to: Topics, by: PartitionBy, sent: list[Observation], kills: int
) -> tuple[int, int]:
    """Send a part, and kill the TaskManager while the job is at it; and so on, to the end, where what is no observation
    is sent. How often it was killed, and how many of these there are."""
    draw = random.Random(by)
    for part in range(kills):
        wait_until(lambda: cluster.state(job) == "RUNNING", "the job to run", _WITHIN_S)
        send(to, _part(sent, part, kills), by)
        time.sleep(draw.uniform(0, _RUNS_S))
        cluster.taskmanagers()[-1].kill()
        cluster.start_taskmanager()
    send(to, _part(sent, kills, kills), by)
    foreign = end(to, sent[-1].end_us)
    wait_until(lambda: cluster.state(job) == "RUNNING", "the job to run", _WITHIN_S)
    done = cluster.checkpoints(job)
    wait_until(lambda: cluster.checkpoints(job) > done + 1, "two checkpoints", _WITHIN_S)
    return kills, foreign


def _part(sent: list[Observation], part: int, kills: int) -> list[Observation]:
    """One of `kills + 1` parts."""
    return sent[len(sent) * part // (kills + 1) : len(sent) * (part + 1) // (kills + 1)]


def _is_over(
    sender: Future[tuple[int, int]], come: int, wanted: Mapping[str, bytes], until_s: float
) -> bool:
    """Whether all came, and nothing more after that; or no more will come."""
    assert time.monotonic() < until_s, f"{come} of {len(wanted)} entries came"
    return sender.done() and (come >= len(wanted) or sender.exception() is not None)
