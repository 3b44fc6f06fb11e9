"""A receiver whose volume is put back old: what a wait for acknowledgement says of it, and how long it may be wrong."""

from __future__ import annotations

import pytest

from otel_genai_cost.forwarding.forwarder import Forwarder
from otel_genai_cost.forwarding.messages import Complaints
from tests.forwarding.simulated import SimulatedFolder, SimulatedReceiver


class _Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


def _sent(clock: _Clock) -> tuple[SimulatedFolder, SimulatedReceiver, Forwarder]:
    """Two segments that are acknowledged, one of them finished."""
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"1\n")
    folder.finished.add("a")
    folder.write("b", b"2\n")
    forwarder = Forwarder(folder, receiver, Complaints("there"), monotonic_s=clock)
    assert forwarder.round({"a", "b"}) is None
    assert _promises(forwarder, folder)
    return folder, receiver, forwarder


def _promises(forwarder: Forwarder, folder: SimulatedFolder) -> bool:
    return all(forwarder.acknowledged(name, len(lines)) for name, lines in folder.files.items())


def _put_back(receiver: SimulatedReceiver, **files: bytes) -> None:
    """It is started again, over a volume of a while ago."""
    receiver.files = {name: bytearray(content) for name, content in files.items()}
    receiver.finished, receiver.is_new = set(), True


@pytest.mark.parametrize("left", [{}, {"b": b"2\n"}, {"a": b"1\n"}])
def test_with_the_next_call_all_of_this_process_is_there_again(
    clock: _Clock, left: dict[str, bytes]
) -> None:
    folder, receiver, forwarder = _sent(clock)
    _put_back(receiver, **left)
    folder.write("b", b"3\n")
    forwarder.round({"a", "b"})  # as `force_flush` has it made
    assert _promises(forwarder, folder)
    assert {name: bytes(found) for name, found in receiver.files.items()} == folder.files


def test_without_another_call_what_was_said_is_said_again_for_a_minute_at_most(
    clock: _Clock,
) -> None:
    folder, receiver, forwarder = _sent(clock)
    _put_back(receiver)
    clock.now_s = 59.9
    forwarder.round({"a", "b"})
    assert _promises(forwarder, folder)
    assert receiver.files == {}
    clock.now_s = 60.0
    forwarder.round({"a", "b"})
    assert _promises(forwarder, folder)
    assert {name: bytes(found) for name, found in receiver.files.items()} == folder.files
