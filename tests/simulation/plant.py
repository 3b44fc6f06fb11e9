"""Everything that calls come by, in one process: applications, a node's agent, a ledger with its sink, and what is
between them. All of it is the real code; the clock, the network and the receivers' disks are the simulation's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from otel_genai_cost.forwarding.answer import Answer
from otel_genai_cost.forwarding.answer import Receiver as Destination
from otel_genai_cost.forwarding.folder import JournalFolder, Life
from otel_genai_cost.forwarding.forwarder import Forwarder
from otel_genai_cost.forwarding.messages import Complaints
from otel_genai_cost.forwarding.wire import STATUS_OF, Asked, Part, Request
from otel_genai_cost.intake.receiver import Asking, Receiver
from otel_genai_cost.intake.replica import Replica
from otel_genai_cost.intake.shipping import booked_bytes
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.receiving import with_senders
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.identity import identity_of, promote
from otel_genai_cost.testing.memory import MemorySink
from tests.ledger.build import START_US
from tests.simulation.disk import Stopped, Volume

__all__ = ["Agent", "Application", "Clock", "LedgerServer", "Link", "Served"]

_ROUNDS_MAX: Final = 12


class Clock:
    """The time of everybody, which goes on as it is told to.

    Attributes:
        stops_at: at how many more looks at the clock whoever looks is killed; None for never.
    """

    def __init__(self) -> None:
        self.now_us = START_US + 3_600_000_000
        self.stops_at: int | None = None

    def us(self) -> int:
        """Unix microseconds."""
        self.now_us += 1
        if self.stops_at is not None:
            self.stops_at -= 1
            if self.stops_at < 0:
                raise Stopped
        return self.now_us

    def s(self) -> float:
        """The monotonic clock, in seconds."""
        return self.now_us / 1_000_000


class _Files(OsFiles):
    """An application's files, which are closed when it is killed."""

    def __init__(self) -> None:
        super().__init__()
        self._open: set[int] = set()

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._open.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            super().close(descriptor)

    def kill(self) -> None:
        for descriptor in tuple(self._open):
            self.close(descriptor)


class Link:
    """The way to a receiver, on which requests and answers are lost, come twice, or late.

    Args:
        draw: decides.
        to: who answers, if it runs.
        sender: whose requests these are.
        asked: how durable they ask to be kept.
    """

    def __init__(self, draw: Random, to: Callable[[], Served], sender: str, asked: Asked) -> None:
        self._draw, self._to = draw, to
        self._sender = sender
        self._asked: Asked = asked
        self._known: Receiver | None = None
        self._sent: list[tuple[tuple[Part, ...], Life | None]] = []
        self.loses = 0.0

    def send(self, parts: Sequence[Part], seen: Life | None) -> Answer:
        """As a sender does it.

        Args:
            parts: what is sent.
            seen: who answered last.
        """
        self._sent = [*self._sent[-7:], (tuple(parts), seen)]
        if self._draw.random() < self.loses:
            return Answer(0)
        answer = self._delivered(tuple(parts), seen)
        if self._draw.random() < self.loses:
            self._delivered(tuple(parts), seen)
        return Answer(0) if self._draw.random() < self.loses else answer

    def deliver_late(self) -> None:
        """Something that was sent a while ago comes, perhaps again."""
        if self._sent:
            self._delivered(*self._draw.choice(self._sent))

    def close(self) -> None:
        """Nothing is kept open."""

    def _delivered(self, parts: tuple[Part, ...], seen: Life | None) -> Answer:
        served = self._to()
        receiver = served.receiver
        if receiver is None:
            return Answer(0)
        is_first, self._known = receiver is not self._known, receiver
        epoch, ledger = (seen.epoch, seen.ledger) if seen else (0, "")
        asking = Asking(self._sender, self._asked, epoch, ledger)
        try:
            refusal = receiver.answer(asking, Request(parts))
        except Stopped:
            served.stop(power=self._draw.random() < 0.7)
            served.start()
            return Answer(0)
        status = 200 if refusal is None or refusal.reason is None else STATUS_OF[refusal.reason]
        life = Life(receiver.identity.id, receiver.identity.epoch)
        return Answer(status, life, refusal, None, is_first)


class Application:
    """A process that makes calls, in a pod of its own or another's.

    Args:
        folder: the pod's journal.
        clock: of the machine.
        link: where its journal goes; None to leave it to others.
    """

    def __init__(self, folder: Path, clock: Clock, link: Destination | None) -> None:
        self._files = _Files()
        self._journal = Journal([folder], files=self._files, clock_us=clock.us, monotonic_s=clock.s)
        self._folder = JournalFolder(folder)
        self._forwarder = None if link is None else _forwarder(self._folder, link, clock)

    def call(self, record: bytes) -> bool:
        """Journal one; whether it is written."""
        return self._journal.append(record)

    @property
    def begun(self) -> Sequence[Path]:
        """The segments that it writes."""
        return self._journal.begun

    def flush(self) -> bool:
        """Whether all it has written is acknowledged, after it has sent what is not."""
        if self._forwarder is None:
            return False
        sizes = {path.stem: path.stat().st_size for path in self._journal.begun}
        for _ in range(_ROUNDS_MAX):
            if self._forwarder.round(tuple(sizes)) is not None:
                break
        return all(self._forwarder.acknowledged(*one) for one in sizes.items())

    def end(self) -> None:
        """In order."""
        self._journal.close()
        self.kill()

    def kill(self) -> None:
        """At once."""
        self._files.kill()
        self._folder.release()


def _forwarder(folder: JournalFolder, link: Destination, clock: Clock) -> Forwarder:
    return Forwarder(folder, link, Complaints("", clock.s), monotonic_s=clock.s)


class Served:
    """A receiver that is killed, loses its power, and comes back.

    Args:
        home: its folder.
        clock: of its machine.
        draw: decides.
    """

    def __init__(self, home: Path, clock: Clock, draw: Random) -> None:
        self.home, self.clock = home, clock
        self.disk = Volume(draw)
        self.journal = home / "journal"
        self.receiver: Receiver | None = None
        self.start()

    def start(self) -> None:
        """After whatever happened before."""
        replica = self._replica()
        list(replica.begin())
        self.receiver = self._receiver(replica)

    def stop(self, *, power: bool = False) -> None:
        """At once; a disk that is broken is mended before the next start, which would fail on it.

        Args:
            power: whether the disk loses what is not on it.
        """
        self.receiver = None
        self.disk.fails_to_sync = False
        self.disk.stops_at = None
        if power:
            self.disk.lose_power()

    def _replica(self) -> Replica:
        return Replica(self.journal, self.disk, clock_us=lambda: self.clock.now_us)

    def _receiver(self, replica: Replica) -> Receiver:
        return Receiver(replica, identity_of(self.home))


class Agent(Served):
    """A node's, which keeps what comes and sends it on.

    Args:
        home: its folder.
        clock: of its machine.
        draw: decides.
        link: to the ledger.
    """

    def __init__(self, home: Path, clock: Clock, draw: Random, link: Link) -> None:
        self._link = link
        self._ways: dict[Path, tuple[JournalFolder, Forwarder]] = {}
        super().__init__(home, clock, draw)

    def _receiver(self, replica: Replica) -> Receiver:
        return Receiver(replica, identity_of(self.home), passed=self._passed, timeout_s=0.0)

    def forward(self) -> bool:
        """Send what there is; whether the ledger has all of it."""
        if self.receiver is None:
            return False
        return all([self._way(folder).round() is None for folder in with_senders([self.journal])])

    def stop(self, *, power: bool = False) -> None:
        super().stop(power=power)
        for folder, _ in self._ways.values():
            folder.release()
        self._ways.clear()

    def lose(self) -> None:
        """Its node is gone."""
        self.stop()
        shutil.rmtree(self.home)
        self.disk = Volume(Random(0))
        self.start()

    def _passed(self, segment: Path, end: int, until_s: float) -> bool:
        way = self._way(segment.parent)
        way.round()
        return way.acknowledged(segment.stem, end)

    def _way(self, folder: Path) -> Forwarder:
        found = self._ways.get(folder)
        if found is None:
            one = JournalFolder(folder)
            found = one, _forwarder(one, self._link, self.clock)
            self._ways[folder] = found
        return found[1]


class _Outlet(MemorySink):
    """A sink that fails before it has taken a batch, or after."""

    def __init__(self, draw: Random) -> None:
        super().__init__()
        self._draw = draw
        self.fails = 0.0

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        if self._draw.random() < self.fails:
            raise OSError("the sink is away")
        super().append(ledger_id, entries)
        if self._draw.random() < self.fails:
            raise OSError("the sink has taken it, and says nothing")


class LedgerServer(Served):
    """The ledger: its receiver, its rounds and its sink.

    Args:
        home: its folder.
        clock: of its machine.
        draw: decides.
        retires: whether it deletes what it has.
    """

    def __init__(self, home: Path, clock: Clock, draw: Random, *, retires: bool) -> None:
        self._retires = retires
        self.outlet = _Outlet(draw)
        super().__init__(home, clock, draw)

    def _replica(self) -> Replica:
        gone = partial(booked_bytes, self.home)
        clock_us = lambda: self.clock.now_us  # noqa: E731 -- nobody is killed at a look of the receiver's
        return Replica(self.journal, self.disk, gone_bytes=gone, clock_us=clock_us)

    def round(self, *, drain: bool = False) -> None:
        """Book what has come, unless it is killed meanwhile."""
        try:
            ship(
                self.home,
                with_senders([self.journal]),
                sinks=[self.outlet],
                drain=drain,
                retire_segments=self._retires,
                clock_us=self.clock.us,
            )
        except Stopped:
            self.clock.stops_at = None
            self.stop()
            self.start()

    def put_back(self, copy: Path) -> None:
        """A copy of its volume takes its place, as the next life of this ledger."""
        before = identity_of(self.home)
        self.stop()
        shutil.rmtree(self.home)
        shutil.copytree(copy, self.home)
        promote(self.home, before)
        self.outlet.reset()
        self.disk = Volume(Random(0))
        self.start()
