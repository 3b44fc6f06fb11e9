"""Journals over a real Kafka into a ledger, and its entries onto a topic, while the broker, the senders and the shipper
are killed with batches under way, and strangers join and leave the group of the shipper and of a reader."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import confluent_kafka

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from tests.demo.processes import Child, Children, children, wait_until
from tests.demo.stage import clean_environment
from tests.faults.row import Row
from tests.ledger.build import observe
from tests.queues.brokers import BROKERS, answers, free_port
from tests.streaming.brokers import entries_on, make_topic

__all__ = ["rows"]

_COMMAND: Final = str(Path(sys.executable).with_name("genai-cost"))
_READY_WITHIN_S: Final = 120
_ENDS_WITHIN_S: Final = 1_800.0
_GIVEN_WITHIN_S: Final = 30.0
_PARTITIONS: Final = 6
_OBSERVATIONS: Final = "observations"
_ENTRIES: Final = "entries"


class _Writer(threading.Thread):
    """An application on a node: calls, each seen by the client and by a framework, until it is told to stop."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(daemon=True)
        self._folder, self._number = folder, number
        self._asked = threading.Event()
        self.made: dict[str, int] = {}
        """The charge that each call is, and what it costs, in atto."""

    def run(self) -> None:
        journal = Journal([self._folder])
        for n in range(1, 1_000_000):
            if self._asked.wait(0.01):
                break
            span = 2 * (self._number * 1_000_000 + n)
            facts: dict[str, Any] = {"trace": span, "start_s": n, "tokens": (n + 10, 5)}
            client = observe(span, above=(span + 1,), end_s=n + 1, **facts)
            for one in (client, observe(span + 1, end_s=n + 2, scope="framework", **facts)):
                journal.append(to_record(one))
            self.made[client.id] = client.cost.total or 0
        journal.close()

    def end(self) -> None:
        """Make no further call, and end the segment."""
        self._asked.set()
        self.join()


class _Stage:
    """A broker, nodes that forward, and a shipper."""

    def __init__(self, folder: Path, started: Children, nodes: int) -> None:
        self.folder, self.home, self._started = folder, folder / "ledger", started
        self._environment = {
            **clean_environment(),
            "HOME": str(folder),
            "OTEL_GENAI_COST_REGISTRY": str(folder / "registry"),
        }
        self._port = free_port()
        (folder / "kafka").mkdir()
        self._broker = BROKERS["kafka"](folder / "kafka", self._port)
        self.servers = self._broker.address
        self.nodes = [folder / f"node{n}" for n in range(nodes)]
        self.running: dict[str, Child] = {}
        self._start("broker")
        self._make_topics()
        stream = ["--kind", "kafka", *self._options(_ENTRIES)]
        subprocess.run(
            [_COMMAND, "sinks", "add", "stream", *stream, "--ledger", str(self.home)],
            env=self._environment,
            check=True,
            capture_output=True,
        )
        for name in self.parts:
            if name != "broker":
                self._start(name)

    @property
    def parts(self) -> list[str]:
        """What may be killed."""
        return ["broker", "shipper", *(node.name for node in self.nodes)]

    def _make_topics(self) -> None:
        for name in (_OBSERVATIONS, _ENTRIES):
            make_topic(self.servers, name, _PARTITIONS)

    def _options(self, topic: str) -> list[str]:
        return ["--option", f"servers={self.servers}", "--option", f"topic={topic}"]

    def _command(self, name: str) -> list[str]:
        if name == "broker":
            return self._broker.command
        options = self._options(_OBSERVATIONS)
        if name == "shipper":
            return [_COMMAND, "ship", "--ledger", str(self.home), "--from", "kafka", *options]
        journal = str(self.folder / name)
        return [
            _COMMAND,
            "forward",
            "--to",
            "kafka",
            "--key",
            "trace",
            "--journal",
            journal,
            *options,
        ]

    def _start(self, name: str) -> None:
        more = [] if name == "broker" else ["--follow"]
        log = self.folder / f"{name}-{len(self._started)}.log"
        command = [*self._command(name), *more]
        self.running[name] = self._started.start(name, command, log, self._environment)
        if name == "broker":
            wait_until(lambda: answers(self._port), "Kafka", _READY_WITHIN_S, (self.running[name],))

    def kill(self, name: str) -> None:
        """Kill one of them, and put another in its place."""
        one = self.running[name]
        os.kill(one.process.pid, signal.SIGKILL)
        one.process.wait()
        self._start(name)

    def rebalance(self) -> bool:
        """Strangers join the shipper's group and another one; partitions are given out, and they leave.

        Returns:
            Whether each was given some: a broker that was just killed may take its time.
        """
        groups = ["readers"]
        if (self.home / LEDGER_FILE).exists():
            ledger = Ledger(self.home / LEDGER_FILE, readonly=True)
            groups.append(f"genai-cost-{ledger.id[:12]}")
            ledger.close()
        given = [_Given(self.servers, group) for group in groups for _ in range(2)]
        due_s = time.monotonic() + _GIVEN_WITHIN_S
        while not (had := [one.has_some() for one in given] == [True] * len(given)):
            if time.monotonic() > due_s:
                break
        for one in given:
            one.close()
        return had

    def settle(self) -> None:
        """Send, ship and book all that is left."""
        for name in self.parts[1:]:
            self.running[name].stop(60)
        for name in [*self.parts[2:], "shipper"]:
            more = ["--drain"] if name == "shipper" else []
            done = subprocess.run(
                [*self._command(name), *more],
                env=self._environment,
                check=False,
                capture_output=True,
                timeout=_ENDS_WITHIN_S,
            )
            assert done.returncode == 0, done.stderr.decode()


class _Given:
    """A consumer to which its group gives partitions."""

    def __init__(self, servers: str, group: str) -> None:
        self._had = False
        self._client = confluent_kafka.Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        self._client.subscribe([_OBSERVATIONS], on_assign=self._assigned)

    def _assigned(self, _: object, partitions: Sequence[object]) -> None:
        self._had = self._had or bool(partitions)

    def has_some(self) -> bool:
        """Whether it was given any."""
        self._client.consume(100, 0.05)
        return self._had

    def close(self) -> None:
        """Leave the group, with offsets of its own committed."""
        with suppress(confluent_kafka.KafkaException):
            self._client.commit(asynchronous=True)
        self._client.close()


class _Outcome(NamedTuple):
    """Calls, charges, calls without a charge, charges that are not one call at its price; and missing by offsets."""

    made: int
    stored: int
    lost: int
    doubled: int
    gaps: int


def rows(short: bool) -> Iterator[Row]:
    """The rows of Kafka."""
    if short:
        yield from _killed(2, ("broker", "shipper"))
        return
    yield from _killed(20, ("broker",))
    yield from _killed(20, ("shipper", "node0", "node1"))


def _killed(points: int, which: tuple[str, ...]) -> Iterator[Row]:
    began_s = time.monotonic()
    draw = random.Random(19)
    with _stage() as stage:
        writers = [_Writer(node, n + 1) for n, node in enumerate(stage.nodes)]
        for one in writers:
            one.start()
        rebalanced = 0
        for n in range(points):
            time.sleep(draw.uniform(0.5, 2.5))
            stage.kill(which[n % len(which)])
            rebalanced += stage.rebalance()
        for one in writers:
            one.end()
        stage.settle()
        made = {charge: atto for one in writers for charge, atto in one.made.items()}
        ledger = Ledger(stage.home / LEDGER_FILE, readonly=True)
        entries = list(ledger.entries)
        gaps = len(ledger.notes("stream_gap")) + sum(one.gaps for one in ledger.cursors.all())
        ledger.close()
        sent = entries_on(stage.servers, _ENTRIES)
    seconds = time.monotonic() - began_s
    name = f"{', '.join(which)} killed {points} times, {rebalanced} rebalances"
    books = _outcome(made, entries, gaps)
    yield _row(f"Kafka, nodes to ledger: {name}", books, seconds, rebalanced > 0)
    booked = {one.id: one.amount for one in entries}
    ids = Counter(one.id for one in sent)
    topic = _Outcome(
        len(booked),
        len(ids),
        len(booked.keys() - ids.keys()),
        sum(count != 1 for count in ids.values())
        + sum(one.amount != booked.get(one.id) for one in sent),
        0,
    )
    yield _row(f"Kafka, ledger to topic: {name}", topic, seconds, rebalanced > 0)


def _outcome(made: dict[str, int], entries: Sequence[Entry], gaps: int) -> _Outcome:
    calls, amounts = Counter[str](), Counter[str]()
    for one in entries:
        calls[one.charge_id] += one.calls
        amounts[one.charge_id] += one.amount
    doubled = [one for one, count in calls.items() if count != 1 or amounts[one] != made.get(one)]
    return _Outcome(len(made), len(calls), len(made.keys() - calls.keys()), len(doubled), gaps)


def _row(name: str, done: _Outcome, seconds: float, was_tried: bool) -> Row:
    found = f"{done.made} made, {done.stored} stored, {done.lost} lost, {done.doubled} doubled"
    held = was_tried and done.made > 0 and done == (done.made, done.made, 0, 0, 0)
    return Row(name, "0 lost, 0 doubled", found, held, seconds)


@contextmanager
def _stage() -> Generator[_Stage]:
    with tempfile.TemporaryDirectory(prefix="kafka-") as folder, children() as started:
        yield _Stage(Path(folder), started, 2)
