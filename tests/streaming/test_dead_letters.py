"""Messages that were set aside: a bounded file, in which no stranger pushes out what said to be ours."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.source import drawn
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.storage.validate import is_valid
from otel_genai_cost.streaming.broker import Consumer, Delivered, Polled, Producer
from otel_genai_cost.streaming.cloud_event import (
    Message,
    book_message,
    event_in,
    observation_in,
    observation_message,
    type_of,
)
from otel_genai_cost.streaming.dead_letters import (
    DEAD_LETTERS_FILE,
    KEPT_MAX,
    DeadLetter,
    DeadLetters,
    Dropped,
)
from otel_genai_cost.streaming.source import StreamSource
from tests.cli.command import run
from tests.ledger.build import BOOK, START_US, observe

_OURS = {"ce_type": type_of("observation").encode()}
_OTHERS = {"ce_type": b"com.example.order.v1"}


def _delivered(
    n: int, headers: Mapping[str, bytes] = _OTHERS, value: bytes = b"{", partition: str = "0"
) -> Delivered:
    return Delivered(Message(value, headers), partition, str(n + 1), f"t[{partition}]@{n}")


def _letters(
    numbers: range, headers: Mapping[str, bytes] = _OTHERS, partition: str = "0"
) -> list[DeadLetter]:
    return [
        DeadLetter("memory/t", _delivered(n, headers, partition=partition), "why", n)
        for n in numbers
    ]


def _places(kept: DeadLetters) -> list[str]:
    return [one["place"] for one in kept.records()]


def test_flood_of_others_pushes_out_its_own_oldest_and_nothing_of_ours(tmp_path: Path) -> None:
    kept = DeadLetters(tmp_path / "dead.sqlite")
    assert kept.dropped() == Dropped(0, 0)
    assert kept.add(_letters(range(3), _OURS, "1")) == 0
    assert kept.add(_letters(range(KEPT_MAX))) == 0
    assert kept.add(_letters(range(KEPT_MAX, KEPT_MAX + 40))) == 40
    assert kept.dropped() == Dropped(0, 40)
    found = [*map(str, _places(kept))]
    assert len(found) == KEPT_MAX + 3
    assert {f"t[1]@{n}" for n in range(3)} <= set(found)
    assert "t[0]@39" not in found
    assert "t[0]@40" in found


def test_what_said_to_be_ours_is_bounded_and_counted_too(tmp_path: Path) -> None:
    kept = DeadLetters(tmp_path / "dead.sqlite")
    kept.add(_letters(range(5)))
    assert kept.add(_letters(range(KEPT_MAX + 7), _OURS, "1")) == 7
    assert kept.dropped() == Dropped(7, 0)
    assert kept.add(_letters(range(KEPT_MAX + 7, KEPT_MAX + 10), _OURS, "1")) == 3
    assert DeadLetters(kept.path).dropped() == Dropped(10, 0)
    assert _places(kept)[:5] == [f"t[0]@{n}" for n in range(5)]


def test_what_comes_again_after_a_kill_is_dropped_once(tmp_path: Path) -> None:
    kept = DeadLetters(tmp_path / "dead.sqlite")
    kept.add(_letters(range(KEPT_MAX)))
    batch = _letters(range(KEPT_MAX, KEPT_MAX + 5_000))
    assert [kept.add(batch) for _ in range(3)] == [5_000, 0, 0]
    assert kept.dropped() == Dropped(0, 5_000)
    assert len(_places(kept)) == KEPT_MAX


def test_letter_is_no_larger_than_its_bounds(tmp_path: Path) -> None:
    kept = DeadLetters(tmp_path / "dead.sqlite")
    headers = {"ce_type": b"x" * 1_000_000, **{f"h{n}" * 9_000: b"y" * 9_000 for n in range(500)}}
    kept.add([DeadLetter("t", _delivered(1, headers, b"z" * 1_000_000), "w" * 1_000_000, 1)])
    (record,) = kept.records()
    assert len(record["value"]) == 8_192
    assert len(record["reason"]) == 512
    assert len(record["headers"]) == 32
    assert max(len(text) for pair in record["headers"].items() for text in pair) == 512
    assert kept.path.stat().st_size < 100_000


class _Flood:
    """A topic on which another system writes, and once something of ours that is broken."""

    name, place = "memory/t", "the topic t"

    def __init__(self, messages: int) -> None:
        self._left = [_delivered(n) for n in range(messages)]
        self._left.insert(1, _delivered(0, _OURS, partition="1"))

    def producer(self) -> Producer:
        raise NotImplementedError

    def consumer(self, reader: str) -> Consumer:
        return self

    def begin(self, positions: Mapping[str, str]) -> None: ...

    def poll(self, limit: int, wait_s: float) -> Polled:
        now, self._left = self._left[:limit], self._left[limit:]
        return Polled(now, at_end=not self._left)

    def hold(self, delivered: Delivered) -> None: ...

    def kept(self, positions: Mapping[str, str]) -> None: ...

    def close(self) -> None: ...


def test_reader_goes_on_and_says_what_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = DeadLetters(tmp_path / DEAD_LETTERS_FILE)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    source = StreamSource(_Flood(2 * KEPT_MAX), kept)
    taken = source.take(ledger)
    while not taken.at_end:
        taken = source.take(ledger)
    ledger.close()
    assert taken.notes == {"stream memory/t 0": str(2 * KEPT_MAX)}
    assert kept.dropped() == Dropped(0, KEPT_MAX)
    assert Counter(one["headers"]["ce_type"] for one in kept.records()) == {
        "com.example.order.v1": KEPT_MAX,
        type_of("observation"): 1,
    }
    assert "0 of ours and 4999 of others are gone from it" in caplog.text  # the first time
    done = run("ledger", "dead-letters", "--ledger", str(tmp_path))
    assert done.returncode == 0
    assert f"{KEPT_MAX} older ones are not kept any more; 0 of them said to be" in done.stderr


class _Kept:
    """A topic of one partition, read on from where its reader says that it is."""

    name, place = "memory/t", "the topic t"

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages, self._at = messages, 0

    def producer(self) -> Producer:
        raise NotImplementedError

    def consumer(self, reader: str) -> Consumer:
        return self

    def begin(self, positions: Mapping[str, str]) -> None:
        self._at = int(positions.get("0", "0"))

    def poll(self, limit: int, wait_s: float) -> Polled:
        first, self._at = self._at, min(self._at + 3, len(self._messages))
        found = [
            Delivered(self._messages[n], "0", str(n + 1), f"t[0]@{n}")
            for n in range(first, self._at)
        ]
        return Polled(found, at_end=self._at == len(self._messages))

    def hold(self, delivered: Delivered) -> None: ...

    def kept(self, positions: Mapping[str, str]) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(
    "changed",
    [{"usage": []}, {"usage": {}}, {"usage": {"input": -1, "output": 1}}, {"cell": 5}],
)
def test_observation_that_cannot_be_settled_is_set_aside(
    tmp_path: Path, changed: Mapping[str, object]
) -> None:
    one = observation_message(observe(1), "/n")
    value = json.dumps({**json.loads(one.value), **changed}).encode()
    messages = [one._replace(value=value), observation_message(observe(2, trace=2), "/n")]
    assert not is_valid(observation_in(event_in(messages[0])))
    kept, ledger = DeadLetters(tmp_path / DEAD_LETTERS_FILE), Ledger(tmp_path / "ledger.sqlite")
    taken = StreamSource(_Kept(messages), kept).take(ledger)
    assert [one["id"] for one in taken.records] == [observe(2, trace=2).id]
    (letter,) = kept.records()
    assert (letter["place"], "malformed" in letter["reason"]) == ("t[0]@0", True)
    ledger.close()


@pytest.mark.parametrize("is_book", [False, True], ids=["dead letter", "book"])
def test_what_could_not_be_kept_comes_again_and_not_what_is_behind_it(
    tmp_path: Path, *, is_book: bool
) -> None:
    messages = [observation_message(observe(n, trace=n), "/n") for n in range(1, 9)]
    messages.insert(1, book_message(BOOK.digest, BOOK.lock, "/n") if is_book else Message(b"", {}))
    letters, books = tmp_path / DEAD_LETTERS_FILE, tmp_path / "books"
    obstacle = books if is_book else letters
    letters.mkdir() if obstacle is letters else books.touch()
    ledger = Ledger(tmp_path / "ledger.sqlite")
    source = StreamSource(_Kept(messages), DeadLetters(letters))

    def drawn_now() -> int:
        return drawn(source, ledger, Books([tmp_path]), lambda: START_US, 0, lambda: False)

    for _ in range(2):
        with pytest.raises(LedgerError, match="cannot be kept"):
            drawn_now()
    letters.rmdir() if obstacle is letters else books.unlink()
    assert drawn_now() == 8
    assert ledger.notes("stream ") == {"stream memory/t 0": "9"}
    ledger.close()
