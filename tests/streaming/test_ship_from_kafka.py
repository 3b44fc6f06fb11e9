"""Journals over a real Kafka into a ledger: nothing lost, nothing doubled, whatever else is on the topic."""

from __future__ import annotations

import os
from pathlib import Path

import confluent_kafka
import pytest

from otel_genai_cost.journal.books import stored_book
from otel_genai_cost.journal.ingested import is_marked
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming import cloud_event
from otel_genai_cost.streaming.cloud_event import observation_message
from tests.ledger.build import BOOK, observe
from tests.ledger.journalled import booked, calls, charged, written
from tests.streaming.brokers import Kafka
from tests.streaming.over_kafka import forwarded, letters, produce, ship_from, source_of

pytestmark = pytest.mark.service

_DAY_S = 86_400


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def topic(kafka: Kafka) -> str:
    return kafka.topic()


def test_books_are_those_of_a_ledger_beside_the_journal(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    node = tmp_path / "node"
    written(node, calls(200))
    done = forwarded(kafka, topic, node)
    assert (done.sent, done.books, done.refused, done.damaged) == (400, 1, 0, 0)
    shipped = ship_from(kafka, topic, home)
    assert (shipped.observations, shipped.entries, shipped.gaps, shipped.unread) == (400, 200, 0, 0)
    ship(tmp_path / "beside", [node], drain=True)
    assert charged(home) == charged(tmp_path / "beside")
    assert {one.id for one in booked(home)} == {one.id for one in booked(tmp_path / "beside")}
    assert stored_book(home / "journal", BOOK.digest) == BOOK.lock


def test_what_is_sent_again_changes_nothing(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    node = tmp_path / "node"
    written(node, calls(20))
    assert forwarded(kafka, topic, node).sent == 40
    assert forwarded(kafka, topic, node).sent == 0
    (segment,) = segments(node)
    assert is_marked(segment, segment.stat().st_size)
    (node / "ingested" / ".forwarded" / segment.stem).unlink()  # killed before it was noted
    assert forwarded(kafka, topic, node).sent == 40
    assert ship_from(kafka, topic, home).observations == 40
    before = booked(home)
    assert ship_from(kafka, topic, home).observations == 0
    assert booked(home) == before


def test_what_was_taken_and_not_kept_comes_again(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    written(tmp_path / "node", calls(30))
    forwarded(kafka, topic, tmp_path / "node")
    ship(home, [home / "journal"])
    for _ in range(2):  # killed before the transaction
        opened, source = Ledger(home / LEDGER_FILE), source_of(kafka, topic, home)
        taken = [source.take(opened) for _ in range(3)]
        assert sum(len(one.records) for one in taken) == 60
        source.close()
        opened.close()
    assert ship_from(kafka, topic, home).observations == 60


def test_foreign_messages_are_set_aside_once_with_the_reason(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    written(tmp_path / "node", calls(5))
    for partition in range(3):
        kafka.produce(topic, b"hello", partition)
    kafka.produce(topic, None)
    kafka.produce(topic, b'{"amount": 5}', 1, ce_type=b"com.example.order.v1", ce_id=b"1")
    message = observation_message(observe(1), "/n")
    kafka.produce(topic, b"{", 2, **message.headers)
    forwarded(kafka, topic, tmp_path / "node")
    assert ship_from(kafka, topic, home).observations == 10
    reasons = sorted(one["reason"] for one in letters(home))
    assert len(reasons) == 6
    assert sum("no CloudEvent" in one for one in reasons) == 4
    assert sum("com.example.order.v1" in one for one in reasons) == 1
    assert sum("not JSON" in one for one in reasons) == 1
    assert {one["place"] for one in letters(home)} >= {f"{topic}[0]@0", f"{topic}[1]@0"}
    ship_from(kafka, topic, home)
    assert len(letters(home)) == 6


def test_event_from_the_future_waits_and_nothing_behind_it_is_read(
    kafka: Kafka,
    topic: str,
    tmp_path: Path,
    home: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer = {**observation_message(observe(900, trace=900), "/n").headers}
    newer["ce_type"] = b"otel_genai_cost.observation.v2"
    ahead, future, behind = (
        observation_message(observe(n, trace=n), "/n") for n in (901, 900, 902)
    )
    kafka.produce(topic, ahead.value, 1, **ahead.headers)
    kafka.produce(topic, future.value, 1, **newer)
    kafka.produce(topic, behind.value, 1, **behind.headers)
    kafka.produce(
        topic,
        observation_message(observe(3), "/n").value,
        2,
        **observation_message(observe(3), "/n").headers,
    )
    for expected in (2, 0):
        done = ship_from(kafka, topic, home)
        assert (done.observations, done.unread) == (expected, 1)
    assert f"{topic}[1]@1 waits" in caplog.text
    assert "upgrade otel-genai-cost" in caplog.text
    monkeypatch.setattr(cloud_event, "VERSION", 2)
    done = ship_from(kafka, topic, home)
    assert (done.observations, done.unread) == (2, 0)
    assert letters(home) == []


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_compressed_batches(kafka: Kafka, topic: str, home: Path, codec: str) -> None:
    client = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.servers, "compression.type": codec, "linger.ms": 200}
    )
    for one in calls(50):
        message = observation_message(one, "/n")
        client.produce(topic, message.value, headers=[*message.headers.items()])
    assert client.flush(30) == 0
    assert ship_from(kafka, topic, home).entries == 50


def test_call_that_comes_a_day_late_is_charged_once(kafka: Kafka, topic: str, home: Path) -> None:
    now, late = calls(10, first=_DAY_S), calls(10)
    for one in (*now, *late, *late):
        produce(kafka, topic, one, 0)
    assert ship_from(kafka, topic, home).entries == 20
    assert len(charged(home)) == 20


def test_second_view_that_comes_a_day_late_joins_its_charge(
    kafka: Kafka, topic: str, home: Path
) -> None:
    client, framework = calls(1)
    produce(kafka, topic, client, 0)
    ship_from(kafka, topic, home)
    produce(kafka, topic, framework, 2)
    ship_from(kafka, topic, home)
    assert len(charged(home)) == 1


def test_record_that_the_broker_refuses_stays_with_its_segment(
    kafka: Kafka, tmp_path: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topic = kafka.topic(1, max_message_bytes="20000")
    node = tmp_path / "node"
    long = observe(77, trace=77, response_id=os.urandom(30_000).hex())
    written(node, [*calls(10), long, *calls(10, first=50)])
    done = forwarded(kafka, topic, node)
    (segment,) = segments(node)
    assert (done.sent, done.refused, done.books, done.unread) == (40, 1, 0, 1)
    assert not is_marked(segment, segment.stat().st_size)
    assert "could not be sent, so that it stays" in caplog.text
    assert ship_from(kafka, topic, home).entries == 20


def test_damaged_line_is_counted_and_its_segment_stays(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    node = tmp_path / "node"
    written(node, calls(10))
    (segment,) = segments(node)
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[3] = b"00000000" + lines[3][8:]
    segment.write_bytes(b"".join(lines))
    done = forwarded(kafka, topic, node)
    assert (done.sent, done.damaged) == (19, 1)
    assert not is_marked(segment, segment.stat().st_size)
    assert ship_from(kafka, topic, home).observations == 19


def test_broker_that_is_away_is_said_and_the_rest_goes_on(
    tmp_path: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(home / "journal", calls(5))
    nowhere = Kafka("127.0.0.1:9")
    done = ship_from(nowhere, "topic", home)
    assert (done.entries, done.unread) == (5, 1)
    assert "the topic topic of Kafka at 127.0.0.1:9: no broker answers" in caplog.text
