"""What a forwarder sends, whatever goes wrong: all of it once, and nothing that may go before it is there."""

from __future__ import annotations

import logging
from hashlib import sha256

import pytest

from otel_genai_cost.forwarding.folder import Life
from otel_genai_cost.forwarding.forwarder import Forwarder
from otel_genai_cost.forwarding.messages import Complaints
from otel_genai_cost.forwarding.wire import REFUSAL_REASONS
from tests.forwarding.simulated import SimulatedFolder, SimulatedReceiver

_LOCK = b'{"a":1}'
_DIGEST = sha256(_LOCK).hexdigest()


def _forwarder(
    folder: SimulatedFolder, receiver: SimulatedReceiver, request_bytes: int = 1 << 20
) -> Forwarder:
    return Forwarder(folder, receiver, Complaints("http://ledger"), request_bytes)


def test_all_of_it_is_sent_and_finished_segments_are_marked() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.locks[_DIGEST] = _LOCK
    folder.write("a", b"1\n2\nto")
    folder.write("b", b"3\nto")
    folder.finished.add("a")
    assert _forwarder(folder, receiver).round() is None
    assert receiver.books == {_DIGEST: _LOCK}
    assert bytes(receiver.files["a"]) == b"1\n2\nto"
    assert bytes(receiver.files["b"]) == b"3\n"
    assert receiver.finished == {"a"}
    assert folder.marks == {"a": 6}


def test_nothing_new_is_no_request() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"1\n")
    folder.write("b", b"2\n")
    folder.finished.add("b")
    forwarder = _forwarder(folder, receiver)
    forwarder.round()
    count = len(receiver.requests)
    forwarder.round()
    assert len(receiver.requests) == count
    assert _forwarder(folder, receiver).round() is None  # it asks whether all of it is still there
    assert [part.content for part in receiver.requests[-1]] == [b"", b""]
    assert len(receiver.requests) == count + 1


def test_without_the_lock_only_what_is_its_own_goes() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.held = False
    folder.write("a", b"1\n")
    folder.write("b", b"2\n")
    forwarder = _forwarder(folder, receiver)
    forwarder.round()
    assert receiver.files == {}
    forwarder.round({"b"})
    assert receiver.files.keys() == {"b"}
    assert forwarder.acknowledged("b", 2)
    assert not forwarder.acknowledged("b", 3)
    assert not forwarder.acknowledged("a", 2)


def test_what_another_process_sent_is_not_sent_again() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"1\n")
    first, second = _forwarder(folder, receiver), _forwarder(folder, receiver)
    first.round()
    folder.write("a", b"2\n")
    second.round({"a"})
    count = len(receiver.requests)
    first.round()
    assert len(receiver.requests) == count
    assert first.acknowledged("a", 4)


def test_large_segments_go_in_stretches_of_whole_lines() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    lines = b"".join(b"%07d" % n * 50 + b"\n" for n in range(1_000))
    for name in "abc":
        folder.write(name, lines)
        folder.finished.add(name)
    assert _forwarder(folder, receiver, 100_000).round() is None
    assert {name: bytes(found) for name, found in receiver.files.items()} == dict.fromkeys(
        "abc", lines
    )
    sizes = [sum(len(part.content) for part in request) for request in receiver.requests]
    assert max(sizes) <= 100_000 + 16_384
    assert folder.marks.keys() == {"a", "b", "c"}


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_line_that_is_longer_than_a_stretch_goes_whole(is_finished: bool) -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"x" * 100_000 + b"\n2\n")
    if is_finished:
        folder.finished.add("a")
    assert _forwarder(folder, receiver, 16_384).round() is None
    assert bytes(receiver.files["a"]) == bytes(folder.files["a"])


def test_a_segment_that_is_refused_by_itself_holds_no_other_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    receiver.strangers = {"a"}
    for name in "ab":
        folder.write(name, b"1\n")
    forwarder = _forwarder(folder, receiver)
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        assert forwarder.round() is None
    assert receiver.files.keys() == {"b"}
    assert "does not take segment a (FORBIDDEN" in caplog.text
    receiver.strangers = set()
    for _ in range(125):
        forwarder.round()
    assert receiver.files.keys() == {"a", "b"}


def test_a_hole_is_filled(caplog: pytest.LogCaptureFixture) -> None:
    """The receiver's volume came back old: what it had acknowledged is sent again, and may not be deleted meanwhile."""
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    for name in "ab":
        folder.write(name, b"1\n2\n")
        folder.finished.add(name)
    folder.write("c", b"3\n4\n")
    forwarder = _forwarder(folder, receiver)
    forwarder.round()
    assert folder.marks.keys() == {"a", "b"}
    receiver.files = {"a": bytearray(b"1\n"), "c": bytearray(b"3\n")}
    receiver.finished.clear()
    folder.write("c", b"5\n")
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        forwarder.round()
        forwarder.round()
    assert {name: bytes(found) for name, found in receiver.files.items()} == {
        "a": b"1\n2\n",
        "b": b"1\n2\n",
        "c": b"3\n4\n5\n",
    }
    assert folder.marks.keys() == {"a", "b"}
    assert "its volume came back old" in caplog.text


def test_who_has_no_calls_notices_all_the_same() -> None:
    """On the same connection, and with nothing new to send."""
    folder, receiver, now_s = SimulatedFolder(), SimulatedReceiver(), [0.0]
    folder.write("a", b"1\n")
    folder.finished.add("a")
    folder.write("b", b"2\n")
    forwarder = Forwarder(folder, receiver, Complaints("x"), monotonic_s=lambda: now_s[0])
    forwarder.round()
    receiver.files, receiver.finished = {}, set()
    now_s[0] = 59.0
    forwarder.round()
    assert receiver.files == {}
    now_s[0] = 60.0
    forwarder.round()
    forwarder.round()
    assert receiver.files == {"a": b"1\n", "b": b"2\n"}
    assert folder.marks == {"a": 2}
    count = len(receiver.requests)
    now_s[0] = 119.0
    forwarder.round()
    assert len(receiver.requests) == count
    now_s[0] = 200.0
    forwarder.round()
    assert [part.content for part in receiver.requests[-1]] == [b"", b""]


def test_another_ledger_is_offered_everything() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"1\n")
    folder.finished.add("a")
    folder.write("b", b"2\n")
    forwarder = _forwarder(folder, receiver)
    forwarder.round()
    receiver.life, receiver.files, receiver.finished = Life("new", 1), {}, set()
    folder.write("b", b"3\n")
    forwarder.round()
    forwarder.round()
    assert {name: bytes(found) for name, found in receiver.files.items()} == {
        "a": b"1\n",
        "b": b"2\n3\n",
    }
    assert receiver.seen == Life("new", 1)


def test_two_that_take_turns_at_one_address_have_both_and_are_said_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two agents behind one name: each is sent what it lacks."""
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    kept: dict[str, dict[str, bytearray]] = {"one": {}, "two": {}}
    forwarder = _forwarder(folder, receiver)
    with caplog.at_level(logging.WARNING, logger="otel_genai_cost"):
        for number in range(6):
            name = ("one", "two")[number % 2]
            receiver.life, receiver.files = Life(name, 1), kept[name]
            folder.write("a", b"%d\n" % number)
            for _ in range(3):
                forwarder.round()
    assert bytes(kept["one"]["a"]) == b"0\n1\n2\n3\n4\n"
    assert bytes(kept["two"]["a"]) == b"0\n1\n2\n3\n4\n5\n"
    assert caplog.text.count("what it lacks is sent again") == 1


def test_a_later_life_is_believed_and_an_earlier_one_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"1\n")
    forwarder = _forwarder(folder, receiver)
    receiver.life = Life("ledger", 3)
    assert forwarder.round() is None
    old = SimulatedReceiver()
    old.life = Life("ledger", 2)
    folder.write("a", b"2\n")
    forwarder = _forwarder(folder, old)
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        assert forwarder.round() is not None
    assert not forwarder.acknowledged("a", 4)
    assert "older ledger" in caplog.text
    old.send = lambda parts, seen: SimulatedReceiver._take(old, parts)  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        assert forwarder.round() is not None  # it does not know of the later one, and takes it all
    assert not forwarder.acknowledged("a", 4)
    assert "an old one answers" in caplog.text


def test_a_ledger_of_its_own_count_is_not_fenced() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    receiver.life = Life("agent", 9)
    folder.write("a", b"1\n")
    _forwarder(folder, receiver).round()
    other = SimulatedReceiver("other")
    other.fault = "FENCED"
    forwarder = _forwarder(folder, other)
    forwarder.round()
    folder.write("a", b"2\n")
    assert forwarder.round() is None
    assert bytes(other.files["a"]) == b"1\n2\n"


def test_other_bytes_are_put_aside_loudly(caplog: pytest.LogCaptureFixture) -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    for name in "ab":
        folder.write(name, b"1\n2\n")
    folder.finished.add("a")
    receiver.files["a"] = bytearray(b"9\n")
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        assert _forwarder(folder, receiver).round() is None
    assert folder.aside == {"a": b"1\n2\n"}
    assert bytes(receiver.files["b"]) == b"1\n2\n"
    assert folder.marks == {}
    assert "put aside as a.different" in caplog.text


def test_one_that_is_written_is_not_sent_any_more() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"1\n2\n")
    receiver.files["a"] = bytearray(b"9\n")
    forwarder = _forwarder(folder, receiver)
    forwarder.round()
    forwarder.round()
    assert len(receiver.requests) == 1
    assert not forwarder.acknowledged("a", 4)
    assert folder.aside == {}


def test_a_limit_is_found_by_sending_less() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    receiver.limit = 40_000
    folder.write("a", b"%099d\n" % 1 * 3_000)
    folder.finished.add("a")
    assert _forwarder(folder, receiver).round() is None
    assert folder.marks == {"a": 300_000}


def test_what_is_too_large_for_it_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    receiver.limit = 10
    folder.locks[_DIGEST] = _LOCK
    folder.write("a", b"%099d\n" % 1)
    folder.write("b", b"1\n")
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        assert _forwarder(folder, receiver, 16_384).round() is not None  # both at once
        folder.files.pop("b")
        assert _forwarder(folder, receiver, 16_384).round() is None
    assert "which is left out" in caplog.text


@pytest.mark.parametrize("reason", [*REFUSAL_REASONS, "lost", "gateway"])
def test_a_refusal_ends_the_round_and_loses_nothing(
    reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"1\n")
    receiver.fault = reason
    forwarder = _forwarder(folder, receiver)
    with caplog.at_level(logging.DEBUG, logger="otel_genai_cost"):
        first = forwarder.round()
    is_sent_smaller = reason in ("TOO_LARGE", "MALFORMED")
    assert (first is None) == is_sent_smaller
    assert is_sent_smaller or "http://ledger" in caplog.text
    assert forwarder.round() is None
    assert bytes(receiver.files["a"]) == b"1\n"


def test_the_answer_of_whatever_else_is_no_acknowledgement() -> None:
    """A collector between says yes to what it may still lose."""
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    folder.write("a", b"1\n")
    forwarder = _forwarder(folder, receiver)
    take = receiver._take
    receiver._take = lambda parts: take(parts)._replace(life=None)  # type: ignore[method-assign]
    assert forwarder.round() is not None
    assert not forwarder.acknowledged("a", 2)


def test_an_urgent_round_ends_early() -> None:
    folder, receiver = SimulatedFolder(), SimulatedReceiver()
    for name in "abcd":
        folder.write(name, b"%099d\n" % 1 * 300)
    forwarder = _forwarder(folder, receiver, 16_384)
    forwarder.round(is_urgent=lambda: True)
    assert len(receiver.requests) == 1
    forwarder.round({"d"}, is_urgent=lambda: True)
    assert receiver.requests[-1][0].segment == "d"  # type: ignore[union-attr]
