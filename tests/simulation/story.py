"""One seed: calls are made, things fail at every step, and in the end every call that was promised is charged once."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, Literal, NamedTuple, get_args

from otel_genai_cost.forwarding.wire import Asked
from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.journal.receiving import RECEIVING
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.build import observe, tenant
from tests.simulation.plant import Agent, Application, Clock, LedgerServer, Link

__all__ = ["Verdict", "told"]

Level = Literal["process", "pod", "node"]
_STEPS: Final = 24
_PODS: Final = 2


class Verdict(NamedTuple):
    """What became of a seed's calls.

    Attributes:
        made: how many there were.
        charged: how many of them are charged.
        lost: those that were promised, or only left where nothing happened to them, and are not charged.
        wrong: those that are charged more than once, at another amount or to another tenant, or were never made.
        faults: what happened.
    """

    made: int
    charged: int
    lost: tuple[str, ...]
    wrong: tuple[str, ...]
    faults: tuple[str, ...]


class _Call(NamedTuple):
    id: str
    tenant: str
    amount: int
    record: bytes


@cache
def _calls() -> tuple[_Call, ...]:
    """Calls of three tenants, none of which is told of twice."""
    made: list[_Call] = []
    for n in range(64):
        who = f"t{n % 3}"
        one = observe(
            n + 1,
            trace=n + 1,
            start_s=10 * n,
            end_s=10 * n + 1,
            tokens=(1_000 + n, 100 + n),
            attribution=tenant(who),
        )
        amount = one.cost.total
        assert amount is not None
        made.append(_Call(one.id, who, amount, encode_lossy(to_record(one))))
    return tuple(made)


class _Pod:
    """A pod on the node: its journal's folder, and the process in it.

    Args:
        folder: the journal's.
        start: starts a process there.
    """

    def __init__(self, folder: Path, start: Callable[[Path], Application]) -> None:
        self.folder, self._start = folder, start
        self.process = start(folder)
        self.written: set[str] = set()
        self.unpromised: set[str] = set()
        self.of_process: set[str] = set()

    def write(self, one: _Call) -> None:
        for known in (self.written, self.unpromised, self.of_process):
            known.add(one.id)
        assert self.process.call(one.record)

    def flush(self, *, is_promise: bool) -> None:
        """What is promised is what this process has written."""
        if self.process.flush() and is_promise:
            self.unpromised -= self.of_process

    def restart(self) -> None:
        self.process.kill()
        self.process = self._start(self.folder)
        self.of_process = set()

    def lose_power(self, draw: Random) -> set[str]:
        """Of what was written, and of how far it was sent, nothing is on the disk for certain: a file ends anywhere, or
        has rubbish from there on; the calls that only it had."""
        self.process.kill()
        for segment in sorted(self.folder.glob("*.jsonl")):
            size = segment.stat().st_size
            left = draw.randint(0, size)
            os.truncate(segment, left)
            if draw.random() < 0.5:
                os.truncate(segment, size)  # zeros
        for noted in sorted(self.folder.glob("ingested/.forwarded/[!.]*")):
            if b'"finished": true' not in noted.read_bytes() and draw.random() < 0.7:
                noted.unlink()
        self.process = self._start(self.folder)
        gone, self.unpromised, self.written = self.unpromised, set(), set()
        self.of_process = set()
        return gone

    def replace(self) -> set[str]:
        """By another; the calls that only it had."""
        gone, self.unpromised, self.written = self.unpromised, set(), set()
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.restart()
        return gone


class _Story:
    """What happens.

    Args:
        seed: decides.
        folder: an empty one.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw = draw = Random(seed)
        self.folder, self.clock = folder, Clock()
        self.level: Level = draw.choice(get_args(Level))
        self.direct = self.level == "node" and draw.random() < 0.4
        self.ledger = LedgerServer(folder / "ledger", self.clock, draw, retires=draw.random() < 0.3)
        up = Link(draw, lambda: self.ledger, "node", "node")
        self.agent = Agent(folder / "agent", self.clock, draw, up)
        self.links = [up]
        self.pods = [_Pod(folder / f"pod-{n}", self._start) for n in range(_PODS)]
        self.made: dict[str, _Call] = {}
        self.excused: set[str] = set()
        self.faults: list[str] = []
        self.copy: Path | None = None
        self.is_put_back = False

    def _start(self, folder: Path) -> Application:
        """A process whose pod's journal goes where the level says; at `process` a sidecar takes it there."""
        asked: Asked = "pod" if self.level == "pod" else "node"
        to = self.ledger if self.direct else self.agent
        link = Link(self.draw, lambda: to, folder.name, asked)
        self.links.append(link)
        return Application(folder, self.clock, link)

    # --- what may happen, by chance ---

    def call(self) -> None:
        pod = self.draw.choice(self.pods)
        for _ in range(self.draw.randint(1, 3)):
            if len(self.made) < len(_calls()):
                one = _calls()[len(self.made)]
                self.made[one.id] = one
                pod.write(one)

    def flush(self) -> None:
        self.draw.choice(self.pods).flush(is_promise=self.level != "process")

    def forward(self) -> None:
        self.agent.forward()

    def book(self) -> None:
        self.ledger.round()

    def time_passes(self) -> None:
        self.clock.now_us += self.draw.choice((1_000, 900_000, 15_000_000, 4_000_000_000))

    def request_comes_late(self) -> None:
        self.draw.choice(self.links).deliver_late()

    def kill_process(self) -> None:
        self.draw.choice(self.pods).restart()

    def lose_pod(self) -> None:
        self.excused |= self.draw.choice(self.pods).replace()

    def kill_agent(self) -> None:
        self.agent.stop(power=self.draw.random() < 0.5)
        self.agent.start()

    def lose_node(self) -> None:
        """What only the node had is gone; at `node` nothing was promised that only it had."""
        if self.level != "node":
            self.excused |= self.made.keys()
        for pod in self.pods:
            self.excused |= pod.replace()
        self.agent.lose()

    def cut_power(self) -> None:
        """Of the node."""
        self.agent.stop(power=True)
        self.agent.start()
        for pod in self.pods:
            self.excused |= pod.lose_power(self.draw)

    def lose_ledger_for_hours(self) -> None:
        """Everybody goes on meanwhile."""
        self.ledger.stop(power=self.draw.random() < 0.5)
        for _ in range(self.draw.randint(2, 8)):
            self.clock.now_us += 3_600_000_000
            self.draw.choice(
                (self.call, self.flush, self.forward, self.kill_process, self.kill_agent)
            )()
        self.ledger.start()

    def kill_ledger(self) -> None:
        self.ledger.stop(power=self.draw.random() < 0.5)
        if self.draw.random() < 0.5:
            self.draw.choice((self.flush, self.forward))()
        self.ledger.start()

    def kill_ledger_as_it_books(self) -> None:
        self.clock.stops_at = self.draw.randint(0, 12)
        self.ledger.round()
        self.clock.stops_at = None

    def copy_ledger(self) -> None:
        if self.copy is None and (self.ledger.home / LEDGER_FILE).exists():
            self.copy = self.folder / "copy"
            shutil.copytree(self.ledger.home, self.copy)

    def put_ledger_back(self) -> None:
        """What came since is there again as far as somebody still has it: a promise was of the volume that is gone, and
        senders learn of that within a minute."""
        if self.copy is None or self.is_put_back:
            return
        self.is_put_back = True
        self.ledger.put_back(self.copy)
        self.clock.now_us += 61_000_000
        here = set().union(*(pod.written for pod in self.pods))
        self.excused |= self.made.keys() - here
        for pod in self.pods:
            pod.unpromised = set(pod.written)

    def fill_disk(self) -> None:
        disk = self.draw.choice((self.agent.disk, self.ledger.disk))
        disk.is_full = not disk.is_full

    def fail_to_sync(self) -> None:
        disk = self.draw.choice((self.agent.disk, self.ledger.disk))
        disk.fails_to_sync = not disk.fails_to_sync

    def kill_as_it_writes(self) -> None:
        """Something sends, so that it does."""
        self.draw.choice((self.agent.disk, self.ledger.disk)).stops_at = self.draw.randint(0, 4)
        self.draw.choice((self.flush, self.forward))()

    def disturb_network(self) -> None:
        share = self.draw.choice((0.0, 0.2, 0.6, 1.0))
        for link in self.links:
            link.loses = share

    def disturb_sink(self) -> None:
        self.ledger.outlet.fails = self.draw.choice((0.0, 0.5, 1.0))

    # --- and how it ends ---

    def step(self) -> None:
        """Something happens: as a rule what always does, every third time a fault."""
        usual = (self.call, self.call, self.flush, self.forward, self.book, self.time_passes)
        if self.draw.random() < 0.6:
            self.draw.choice(usual)()
            return
        faults = self.possible_faults()
        [fault] = self.draw.choices(tuple(faults), tuple(faults.values()))
        self.faults.append(fault.__name__)
        fault()

    def possible_faults(self) -> dict[Callable[[], None], int]:
        """Each, and how often of them all; those after which little can be lost any more are rare."""
        return {
            self.request_comes_late: 4,
            self.kill_process: 4,
            self.lose_pod: 2,
            self.kill_agent: 4,
            self.lose_node: 1,
            self.cut_power: 3,
            self.lose_ledger_for_hours: 2,
            self.kill_ledger: 4,
            self.kill_ledger_as_it_books: 4,
            self.kill_as_it_writes: 6,
            self.copy_ledger: 4,
            self.put_ledger_back: 4,
            self.fill_disk: 2,
            self.fail_to_sync: 2,
            self.disturb_network: 4,
            self.disturb_sink: 2,
        }

    def heal(self) -> None:
        """All that failed works again, and everybody has the time to be done."""
        for link in self.links:
            link.loses = 0.0
        for disk in (self.agent.disk, self.ledger.disk):
            disk.is_full = disk.fails_to_sync = False
            disk.stops_at = None
        self.ledger.outlet.fails = 0.0
        for _ in range(6):
            self.clock.now_us += 61_000_000
            for pod in self.pods:
                pod.process.flush()
            self.agent.forward()
        self.clock.now_us += 100_000_000
        self.ledger.round(drain=True)

    def verdict(self) -> Verdict:
        with_entries = Ledger(self.ledger.home / LEDGER_FILE, readonly=True)
        booked = _sums(with_entries.entries)
        with_entries.close()
        true = {one.id: (1, one.amount, one.tenant) for one in self.made.values()}
        wrong = {key for key, found in booked.items() if true.get(key) != found}
        wrong |= self._left_open()
        if _sums(self.ledger.outlet.entries) != booked:
            wrong.add("the sink")
        lost = self.made.keys() - booked.keys() - self.excused
        return Verdict(
            len(self.made),
            len(booked),
            tuple(sorted(lost)),
            tuple(sorted(wrong)),
            tuple(self.faults),
        )

    def _left_open(self) -> set[str]:
        """Segments that nobody writes any more, whose folders are there, and that the ledger waits for."""
        if {"lose_pod", "lose_node"} & set(self.faults):
            return set()
        live = {one.stem for pod in self.pods for one in pod.process.begun}
        marks = self.ledger.journal.glob(f"*/{RECEIVING}/[!.]*")
        return {f"open {one.name}" for one in marks if one.name not in live}


def _sums(entries: Iterable[Entry]) -> dict[str, tuple[int, int, str | None]]:
    """Of each charge: calls, amount, and whose it is; charges that come to nothing are none."""
    calls, amounts, whose = Counter[str](), Counter[str](), dict[str, str | None]()
    for entry in entries:
        calls[entry.charge_id] += entry.calls
        amounts[entry.charge_id] += entry.amount
        whose[entry.charge_id] = entry.attribution.tenant
    return {key: (calls[key], amounts[key], whose[key]) for key in calls if calls[key]}


def told(seed: int, folder: Path) -> Verdict:
    """Let a seed happen.

    Args:
        seed: decides everything.
        folder: an empty one, for all that is kept.
    """
    story = _Story(seed, folder)
    for _ in range(_STEPS):
        story.step()
    story.heal()
    return story.verdict()
