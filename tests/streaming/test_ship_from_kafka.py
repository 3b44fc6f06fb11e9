"""Journals over a real Kafka into a ledger: nothing lost, nothing doubled, whatever else is on the topic."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import admin

from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.journal.ingested import is_marked
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming import cloud_event
from otel_genai_cost.streaming.broker import load_broker
from otel_genai_cost.streaming.cloud_event import observation_message
from otel_genai_cost.streaming.dead_letters import DEAD_LETTERS_FILE, DeadLetters
from otel_genai_cost.streaming.forward import Forwarded, StreamForwarder
from otel_genai_cost.streaming.source import StreamSource
from tests.ledger.build import BOOK, observe
from tests.streaming.brokers import Kafka

pytestmark = pytest.mark.service

_DAY_S = 86_400


def _calls(count: int, first: int = 1) -> list[Observation]:
    """Two spans for each call: the client's and a framework's above it."""
    found: list[Observation] = []
    for n in range(first, first + count):
        times = {"trace": n, "start_s": n, "tokens": (n + 10, 5)}
        found.append(observe(2 * n, above=(2 * n + 1,), end_s=n + 1, **times))  # type: ignore[arg-type]
        found.append(observe(2 * n + 1, end_s=n + 2, scope="framework", **times))  # type: ignore[arg-type]
    return found


def _write(folder: Path, observations: Sequence[Observation]) -> None:
    journal = Journal([folder])
    for one in observations:
        journal.append(to_record(one))
    journal.close()
    store_book(folder, BOOK.digest, BOOK.lock)


def _forward(kafka: Kafka, topic: str, folder: Path) -> Forwarded:
    broker = load_broker("kafka", kafka.options(topic))
    producer = broker.producer()
    forwarder = StreamForwarder(
        [folder], producer, broker.name, "/nodes/test", lambda one: one.trace_id
    )
    try:
        return forwarder.round()
    finally:
        producer.close()
        forwarder.close()


def _source(kafka: Kafka, topic: str, home: Path) -> StreamSource:
    broker = load_broker("kafka", kafka.options(topic))
    return StreamSource(broker, DeadLetters(home / DEAD_LETTERS_FILE))


def _ship(kafka: Kafka, topic: str, home: Path) -> Shipped:
    source = _source(kafka, topic, home)
    try:
        return ship(home, [home / "journal"], sources=[source], drain=True)
    finally:
        source.close()


def _booked(home: Path) -> list[Entry]:
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    entries = list(ledger.entries)
    ledger.close()
    return entries


def _money(home: Path) -> dict[str, int]:
    """What each charge comes to."""
    found: dict[str, int] = {}
    for one in _booked(home):
        found[one.charge_id] = found.get(one.charge_id, 0) + one.amount
    return found


def _letters(home: Path) -> list[Mapping[str, Any]]:
    return list(DeadLetters(home / DEAD_LETTERS_FILE).records())


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
    _write(node, _calls(200))
    done = _forward(kafka, topic, node)
    assert (done.sent, done.books, done.refused, done.damaged) == (400, 1, 0, 0)
    shipped = _ship(kafka, topic, home)
    assert (shipped.observations, shipped.entries, shipped.gaps, shipped.unread) == (400, 200, 0, 0)
    ship(tmp_path / "beside", [node], drain=True)
    assert _money(home) == _money(tmp_path / "beside")
    assert {one.id for one in _booked(home)} == {one.id for one in _booked(tmp_path / "beside")}
    assert stored_book(home / "journal", BOOK.digest) == BOOK.lock


def test_what_is_sent_again_changes_nothing(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    node = tmp_path / "node"
    _write(node, _calls(20))
    assert _forward(kafka, topic, node).sent == 40
    assert _forward(kafka, topic, node).sent == 0
    (segment,) = segments(node)
    assert is_marked(segment, segment.stat().st_size)
    (node / "ingested" / ".forwarded" / segment.stem).unlink()  # killed before it was noted
    assert _forward(kafka, topic, node).sent == 40
    assert _ship(kafka, topic, home).observations == 40
    before = _booked(home)
    assert _ship(kafka, topic, home).observations == 0
    assert _booked(home) == before


def test_what_was_taken_and_not_kept_comes_again(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    _write(tmp_path / "node", _calls(30))
    _forward(kafka, topic, tmp_path / "node")
    ship(home, [home / "journal"])
    for _ in range(2):  # killed before the transaction
        opened, source = Ledger(home / LEDGER_FILE), _source(kafka, topic, home)
        taken = [source.take(opened) for _ in range(3)]
        assert sum(len(one.records) for one in taken) == 60
        source.close()
        opened.close()
    assert _ship(kafka, topic, home).observations == 60


def test_foreign_messages_are_set_aside_once_with_the_reason(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    _write(tmp_path / "node", _calls(5))
    for partition in range(3):
        kafka.produce(topic, b"hello", partition)
    kafka.produce(topic, None)
    kafka.produce(topic, b'{"amount": 5}', 1, ce_type=b"com.example.order.v1", ce_id=b"1")
    message = observation_message(observe(1), "/n")
    kafka.produce(topic, b"{", 2, **message.headers)
    _forward(kafka, topic, tmp_path / "node")
    assert _ship(kafka, topic, home).observations == 10
    reasons = sorted(one["reason"] for one in _letters(home))
    assert len(reasons) == 6
    assert sum("no CloudEvent" in one for one in reasons) == 4
    assert sum("com.example.order.v1" in one for one in reasons) == 1
    assert sum("not JSON" in one for one in reasons) == 1
    assert {one["place"] for one in _letters(home)} >= {f"{topic}[0]@0", f"{topic}[1]@0"}
    _ship(kafka, topic, home)
    assert len(_letters(home)) == 6


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
        done = _ship(kafka, topic, home)
        assert (done.observations, done.unread) == (expected, 1)
    assert f"{topic}[1]@1 waits" in caplog.text
    assert "upgrade otel-genai-cost" in caplog.text
    monkeypatch.setattr(cloud_event, "VERSION", 2)
    done = _ship(kafka, topic, home)
    assert (done.observations, done.unread) == (2, 0)
    assert _letters(home) == []


def test_retention_that_deleted_what_was_not_read_is_a_gap(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(1, 4):
        _produce(kafka, topic, observe(n, trace=n), 0)
    assert _ship(kafka, topic, home).observations == 3
    for n in range(4, 14):
        _produce(kafka, topic, observe(n, trace=n), 0)
    _delete_before(kafka, topic, 0, 9)
    done = _ship(kafka, topic, home)
    assert (done.observations, done.gaps, done.unread) == (4, 6, 1)
    assert "up to 6 message(s) were deleted before they were read" in caplog.text
    caplog.clear()
    done = _ship(kafka, topic, home)
    assert (done.gaps, done.unread) == (6, 0)  # said once, and never forgotten
    assert caplog.text == ""


def test_retention_while_it_runs_is_a_gap_as_well(kafka: Kafka, topic: str, home: Path) -> None:
    _produce(kafka, topic, observe(1), 0)
    ship(home, [home / "journal"])
    opened, source = Ledger(home / LEDGER_FILE), _source(kafka, topic, home)
    broker = load_broker("kafka", kafka.options(topic)).consumer("test")
    broker.begin({"0": "0", "1": "0", "2": "0"})
    for n in range(2, 9):
        _produce(kafka, topic, observe(n, trace=n), 0)
    _delete_before(kafka, topic, 0, 5)
    found, gaps = 0, 0
    for _ in range(5):
        polled = broker.poll(100, 2)
        found += len(polled.delivered)
        gaps += sum(one.up_to or 0 for one in polled.gaps)
    assert (found, gaps) in ((3, 5), (8, 0))  # the client may have had them already
    broker.close()
    source.close()
    opened.close()


def test_topic_that_was_made_anew_is_told(
    kafka: Kafka, topic: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(1, 6):
        _produce(kafka, topic, observe(n, trace=n), 0)
    _ship(kafka, topic, home)
    asked = admin.AdminClient({"bootstrap.servers": kafka.servers})
    asked.delete_topics([topic])[topic].result(30)
    _until(lambda: topic not in asked.list_topics(timeout=10).topics)
    _make_again(kafka, topic)
    for n in range(6, 9):
        _produce(kafka, topic, observe(n, trace=n), 0)
    done = _ship(kafka, topic, home)
    assert done.observations == 3
    assert done.gaps >= 1
    assert "another topic than the one of this name" in caplog.text
    assert _ship(kafka, topic, home).unread == 0


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_compressed_batches(kafka: Kafka, topic: str, home: Path, codec: str) -> None:
    client = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.servers, "compression.type": codec, "linger.ms": 200}
    )
    for one in _calls(50):
        message = observation_message(one, "/n")
        client.produce(topic, message.value, headers=[*message.headers.items()])
    assert client.flush(30) == 0
    assert _ship(kafka, topic, home).entries == 50


def test_call_that_comes_a_day_late_is_charged_once(kafka: Kafka, topic: str, home: Path) -> None:
    now, late = _calls(10, first=_DAY_S), _calls(10)
    for one in (*now, *late, *late):
        _produce(kafka, topic, one, 0)
    assert _ship(kafka, topic, home).entries == 20
    assert len(_money(home)) == 20


def test_second_view_that_comes_a_day_late_joins_its_charge(
    kafka: Kafka, topic: str, home: Path
) -> None:
    client, framework = _calls(1)
    _produce(kafka, topic, client, 0)
    _ship(kafka, topic, home)
    _produce(kafka, topic, framework, 2)
    _ship(kafka, topic, home)
    assert len(_money(home)) == 1


def test_others_in_its_group_take_nothing_away(kafka: Kafka, topic: str, home: Path) -> None:
    ship(home, [home / "journal"])
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    group = f"genai-cost-{ledger.id[:12]}"
    ledger.close()
    stop = threading.Event()
    done: list[Shipped] = []
    source = _source(kafka, topic, home)
    thread = threading.Thread(
        target=lambda: done.append(
            ship(home, [home / "journal"], sources=[source], drain=True, follow=True, stop=stop)
        )
    )
    thread.start()
    for n in range(5):
        rogue = confluent_kafka.Consumer(
            {"bootstrap.servers": kafka.servers, "group.id": group, "auto.offset.reset": "earliest"}
        )
        rogue.subscribe([topic])
        for one in _calls(20, first=1 + 20 * n):
            _produce(kafka, topic, one, n % 3)
        rogue.consume(10, 3)
        rogue.close()
    _until(lambda: len(_money(home)) == 100)
    stop.set()
    thread.join(60)
    source.close()
    assert done[0].entries == len(_booked(home)) == 100


def test_partitions_that_are_added_are_read(kafka: Kafka, home: Path) -> None:
    topic = kafka.topic(1)
    _produce(kafka, topic, observe(1), 0)
    assert _ship(kafka, topic, home).observations == 1
    asked = admin.AdminClient({"bootstrap.servers": kafka.servers})
    new: Any = vars(admin)["NewPartitions"]
    asked.create_partitions([new(topic, 4)])[topic].result(30)
    _until(lambda: len(asked.list_topics(topic, timeout=10).topics[topic].partitions) == 4)
    for n in range(2, 6):
        _produce(kafka, topic, observe(n, trace=n), n - 2)
    done = _ship(kafka, topic, home)
    assert (done.observations, done.gaps) == (4, 0)


def test_record_that_the_broker_refuses_stays_with_its_segment(
    kafka: Kafka, tmp_path: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topic = kafka.topic(1, max_message_bytes="20000")
    node = tmp_path / "node"
    long = observe(77, trace=77, response_id=os.urandom(30_000).hex())
    _write(node, [*_calls(10), long, *_calls(10, first=50)])
    done = _forward(kafka, topic, node)
    (segment,) = segments(node)
    assert (done.sent, done.refused, done.books, done.unread) == (40, 1, 0, 1)
    assert not is_marked(segment, segment.stat().st_size)
    assert "could not be sent, so that it stays" in caplog.text
    assert _ship(kafka, topic, home).entries == 20


def test_damaged_line_is_counted_and_its_segment_stays(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path
) -> None:
    node = tmp_path / "node"
    _write(node, _calls(10))
    (segment,) = segments(node)
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[3] = b"00000000" + lines[3][8:]
    segment.write_bytes(b"".join(lines))
    done = _forward(kafka, topic, node)
    assert (done.sent, done.damaged) == (19, 1)
    assert not is_marked(segment, segment.stat().st_size)
    assert _ship(kafka, topic, home).observations == 19


def test_broker_that_is_away_is_said_and_the_rest_goes_on(
    tmp_path: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(home / "journal", _calls(5))
    nowhere = Kafka("127.0.0.1:9")
    done = _ship(nowhere, "topic", home)
    assert (done.entries, done.unread) == (5, 1)
    assert "the topic topic of Kafka at 127.0.0.1:9: no broker answers" in caplog.text


def test_topic_that_is_not_there_is_said(
    kafka: Kafka, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert _ship(kafka, "never-made", home).unread == 1
    assert "there is no such topic; `genai-cost forward` makes it" in caplog.text


def _produce(kafka: Kafka, topic: str, observation: Observation, partition: int) -> None:
    message = observation_message(observation, "/n")
    kafka.produce(topic, message.value, partition, **message.headers)


def _delete_before(kafka: Kafka, topic: str, partition: int, offset: int) -> None:
    asked = admin.AdminClient({"bootstrap.servers": kafka.servers})
    place = confluent_kafka.TopicPartition(topic, partition, offset)
    for future in asked.delete_records([place]).values():
        future.result(30)


def _make_again(kafka: Kafka, topic: str) -> None:
    from tests.streaming.brokers import make_topic

    for _ in range(50):
        try:
            return make_topic(kafka.servers, topic, 3)
        except confluent_kafka.KafkaException:
            time.sleep(0.2)
    raise AssertionError("the topic is not deleted")


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")
