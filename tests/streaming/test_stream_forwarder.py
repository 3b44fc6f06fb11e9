"""What is noted beside segments on their way to a topic, and a source whose broker is away: without a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.ingested import is_marked
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.source import Taken
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming.broker import Consumer, Producer
from otel_genai_cost.streaming.cloud_event import Message
from otel_genai_cost.streaming.dead_letters import DeadLetters
from otel_genai_cost.streaming.forward import Forwarded, StreamForwarder
from otel_genai_cost.streaming.source import StreamSource
from tests.ledger.build import observe


class _Producer:
    """Keeps what it is sent; refuses what names a word."""

    def __init__(self, refused: bytes = b"refused") -> None:
        self.sent: list[Message] = []
        self._refused = refused

    def send(self, messages: Sequence[Message]) -> Mapping[int, str]:
        refused = {n: "no" for n, one in enumerate(messages) if self._refused in one.value}
        self.sent += [one for n, one in enumerate(messages) if n not in refused]
        return refused

    def close(self) -> None:
        """Nothing."""


def _round(folder: Path, producer: _Producer) -> Forwarded:
    forwarder = StreamForwarder([folder], producer, "memory/t", "/n", lambda one: one.trace_id)
    done = forwarder.round()
    forwarder.close()
    return done


def _is_marked(folder: Path) -> list[bool]:
    return [is_marked(one, one.stat().st_size) for one in segments(folder)]


def test_what_is_refused_keeps_its_segment_after_a_restart(tmp_path: Path) -> None:
    journal, producer = Journal([tmp_path]), _Producer()
    journal.append(to_record(observe(1, response_id="refused")))
    done = _round(tmp_path, producer)
    assert (done.sent, done.refused) == (0, 1)
    journal.append(to_record(observe(2)))
    journal.close()
    done = _round(tmp_path, producer)  # another process finds the segment finished
    assert (done.sent, done.refused) == (1, 0)
    assert _is_marked(tmp_path) == [False]


def test_what_is_sent_whole_may_go(tmp_path: Path) -> None:
    journal, producer = Journal([tmp_path]), _Producer()
    for n in range(5):
        journal.append(to_record(observe(n + 1)))
    assert _round(tmp_path, producer).sent == 5
    assert _is_marked(tmp_path) == [False]  # it is still written
    journal.append({"type": "start", **to_record(observe(9, tokens=None))})
    journal.close()
    assert _round(tmp_path, producer).sent == 1
    assert _is_marked(tmp_path) == [True]
    kinds = [one.headers["ce_type"].decode().split(".")[1] for one in producer.sent]
    assert kinds == ["observation"] * 5 + ["start"]


def test_book_that_comes_meanwhile_goes_before_what_names_it(tmp_path: Path) -> None:
    journal, producer = Journal([tmp_path]), _Producer()
    store_book(tmp_path, sha256(b"{}").hexdigest(), b"{}")
    journal.append(to_record(observe(1)))

    def send(messages: Sequence[Message]) -> Mapping[int, str]:
        """While the first book is sent, an application begins with another."""
        if not producer.sent:
            store_book(tmp_path, sha256(b"[]").hexdigest(), b"[]")
            journal.append(to_record(observe(2)))
        return _Producer.send(producer, messages)

    with patch.object(producer, "send", send):
        done = _round(tmp_path, producer)
    journal.close()
    assert (done.sent, done.books, done.unread) == (2, 2, 0)
    kinds = [one.headers["ce_type"].decode().split(".")[1] for one in producer.sent]
    assert kinds == ["book", "book", "observation", "observation"]


def test_records_that_a_segment_proves_to_be_missing_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal([tmp_path])
    for n in range(5):
        journal.append(to_record(observe(n + 1)))
    journal.close()
    (segment,) = segments(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:2], *lines[4:]]))
    done = _round(tmp_path, _Producer())
    assert (done.sent, done.gaps) == (3, 2)
    assert "proves that 2 record(s) are missing" in caplog.text


def test_record_of_a_kind_that_nobody_knows_keeps_its_segment(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    journal.append({"type": "from-the-future", "id": "1"})
    journal.append(to_record(observe(1)))
    journal.close()
    done = _round(tmp_path, _Producer())
    assert (done.sent, done.other) == (1, 1)
    assert _is_marked(tmp_path) == [False]


def test_nothing_is_made_where_nothing_was_written(tmp_path: Path) -> None:
    assert _round(tmp_path / "journal", _Producer()) == Forwarded()
    assert not (tmp_path / "journal").exists()


def test_two_do_not_send_one_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal([tmp_path])
    journal.append(to_record(observe(1)))
    first = StreamForwarder([tmp_path], _Producer(), "memory/t", "/n", lambda one: one.trace_id)
    assert first.round().sent == 1
    assert _round(tmp_path, _Producer()) == Forwarded(unread=1)
    assert "another process sends" in caplog.text
    first.close()
    journal.close()


class _Away:
    """A broker that does not answer."""

    name, place, asked = "memory/t", "the topic t", 0

    def producer(self) -> Producer:
        raise GenAICostError("away")

    def consumer(self, reader: str) -> Consumer:
        self.asked += 1
        raise GenAICostError("away")


def test_broker_that_is_away_is_left_alone_for_a_while_and_counted_all_the_time(
    tmp_path: Path,
) -> None:
    broker, ledger = _Away(), Ledger(tmp_path / "ledger.sqlite")
    source = StreamSource(broker, DeadLetters(tmp_path / "dead.sqlite"))
    with pytest.raises(GenAICostError, match="away"):
        source.take(ledger)
    assert source.take(ledger) == Taken()
    assert (source.unread, broker.asked) == (1, 1)
    ledger.close()
