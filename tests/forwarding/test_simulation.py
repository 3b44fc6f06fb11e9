"""Seeded runs of a forwarder among writers, kills, power cuts, a network and a receiver that fail: everything arrives
once, and nothing goes before it is there."""

from __future__ import annotations

import random

import pytest

from otel_genai_cost.forwarding.forwarder import Forwarder
from otel_genai_cost.forwarding.messages import Complaints
from tests.forwarding.simulated import SimulatedFolder, SimulatedReceiver


def _forwarder(folder: SimulatedFolder, receiver: SimulatedReceiver) -> Forwarder:
    return Forwarder(folder, receiver, Complaints("http://ledger"), 16_384)


_FAULTS = ("lost", "unanswered", "part", "gateway", "BUSY", "FULL", "UNAUTHENTICATED")


class _World:
    """A seeded run: writers write and end, the forwarder is killed, the network and the receiver fail."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.folder, self.receiver = SimulatedFolder(), SimulatedReceiver()
        self.written: dict[str, bytes] = {}
        self.live: list[str] = []
        self.begun = 0
        self.backup: tuple[dict[str, bytearray], set[str]] = ({}, set())
        self.forwarder = _forwarder(self.folder, self.receiver)
        self.is_restored = False

    def step(self) -> None:
        act = self.dice.choices(
            [self.write, self.end, self.fail, self.kill, self.make_room, self.restore, self.send],
            [8, 2, 4, 1, 1, 0.3, 8],
        )[0]
        act()

    def write(self) -> None:
        if not self.live or self.dice.random() < 0.2:
            self.begun += 1
            self.live.append(f"{self.begun:04d}")
        name = self.dice.choice(self.live)
        line = b"%d" % self.dice.randrange(1 << 40) * self.dice.randrange(1, 800) + b"\n"
        self._append(name, line)

    def _append(self, name: str, content: bytes) -> None:
        self.folder.write(name, content)
        self.written[name] = self.written.get(name, b"") + content

    def end(self) -> None:
        if self.live:
            name = self.live.pop(self.dice.randrange(len(self.live)))
            if self.dice.random() < 0.3:
                self._append(name, b"torn")
            self.folder.finished.add(name)

    def fail(self) -> None:
        self.receiver.fault = self.dice.choice(_FAULTS)

    def kill(self) -> None:
        if self.dice.random() < 0.5:
            self.folder.lose_power()
        self.receiver.is_new = True
        self.forwarder = _forwarder(self.folder, self.receiver)

    def make_room(self) -> None:
        """What goes must be at the receiver, unless it was restored and nobody has noticed yet; a backup follows."""
        for name in self.folder.marks:
            found = bytes(self.receiver.files.get(name, b""))
            if found != self.written[name] or name not in self.receiver.finished:
                assert self.is_restored
                return
        self.folder.make_room()
        self.back_up()

    def back_up(self) -> None:
        files = {name: bytearray(found) for name, found in self.receiver.files.items()}
        self.backup = (files, set(self.receiver.finished))

    def restore(self) -> None:
        """The newest backup, in a later life or, by a volume that came back old, in none."""
        self.is_restored = self.receiver.is_new = True
        if self.dice.random() < 0.5:
            self.receiver.life = self.receiver.life._replace(epoch=self.receiver.life.epoch + 1)
        files, finished = self.backup
        self.receiver.files = {name: bytearray(found) for name, found in files.items()}
        self.receiver.finished = set(finished)

    def send(self) -> None:
        self.forwarder.round()


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_whatever_happens_everything_arrives_once(first: int) -> None:
    for seed in range(first, first + 50):
        world = _World(seed)
        for _ in range(120):
            world.step()
        world.receiver.fault = ""
        for (
            name
        ) in world.live:  # what a volume that came back old lacks is seen by whatever follows
            world._append(name, b"last\n")
        world.write()
        world.end()
        for _ in range(6):
            assert world.forwarder.round() is None, seed
        torn = {name for name in world.written if name in world.folder.finished}
        for name, content in world.written.items():
            assert bytes(world.receiver.files[name]) == content, (seed, name)
        assert torn <= world.receiver.finished, seed
