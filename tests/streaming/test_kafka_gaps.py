"""What a ledger is told when a topic is not what it was: shorter, another, wider; and that nobody takes of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import admin

from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming.broker import load_broker
from tests.ledger.build import observe
from tests.ledger.journalled import booked, calls, charged
from tests.streaming.brokers import Kafka, make_topic
from tests.streaming.over_kafka import produce, ship_from, source_of, until

pytestmark = pytest.mark.service


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def topic(kafka: Kafka) -> str:
    return kafka.topic()


def test_retention_that_deleted_what_was_not_read_is_a_gap(
    kafka: Kafka, topic: str, tmp_path: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(1, 4):
        produce(kafka, topic, observe(n, trace=n), 0)
    assert ship_from(kafka, topic, home).observations == 3
    for n in range(4, 14):
        produce(kafka, topic, observe(n, trace=n), 0)
    _delete_before(kafka, topic, 0, 9)
    done = ship_from(kafka, topic, home)
    assert (done.observations, done.gaps, done.unread) == (4, 6, 1)
    assert "up to 6 message(s) were deleted before they were read" in caplog.text
    caplog.clear()
    done = ship_from(kafka, topic, home)
    assert (done.gaps, done.unread) == (6, 0)  # said once, and never forgotten
    assert caplog.text == ""


def test_retention_while_it_runs_is_a_gap_as_well(kafka: Kafka, topic: str, home: Path) -> None:
    produce(kafka, topic, observe(1), 0)
    ship(home, [home / "journal"])
    opened, source = Ledger(home / LEDGER_FILE), source_of(kafka, topic, home)
    broker = load_broker("kafka", kafka.options(topic)).consumer("test")
    broker.begin({"0": "0", "1": "0", "2": "0"})
    for n in range(2, 9):
        produce(kafka, topic, observe(n, trace=n), 0)
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
        produce(kafka, topic, observe(n, trace=n), 0)
    ship_from(kafka, topic, home)
    asked = admin.AdminClient({"bootstrap.servers": kafka.servers})
    asked.delete_topics([topic])[topic].result(30)
    until(lambda: topic not in asked.list_topics(timeout=10).topics)
    _make_again(kafka, topic)
    for n in range(6, 9):
        produce(kafka, topic, observe(n, trace=n), 0)
    done = ship_from(kafka, topic, home)
    assert done.observations == 3
    assert done.gaps >= 1
    assert "another topic than the one of this name" in caplog.text
    assert ship_from(kafka, topic, home).unread == 0


def test_others_in_its_group_take_nothing_away(kafka: Kafka, topic: str, home: Path) -> None:
    ship(home, [home / "journal"])
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    group = f"genai-cost-{ledger.id[:12]}"
    ledger.close()
    stop = threading.Event()
    done: list[Shipped] = []
    source = source_of(kafka, topic, home)
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
        for one in calls(20, first=1 + 20 * n):
            produce(kafka, topic, one, n % 3)
        rogue.consume(10, 3)
        rogue.close()
    until(lambda: len(charged(home)) == 100)
    stop.set()
    thread.join(60)
    source.close()
    assert done[0].entries == len(booked(home)) == 100


def test_partitions_that_are_added_are_read(kafka: Kafka, home: Path) -> None:
    topic = kafka.topic(1)
    produce(kafka, topic, observe(1), 0)
    assert ship_from(kafka, topic, home).observations == 1
    asked = admin.AdminClient({"bootstrap.servers": kafka.servers})
    new: Any = vars(admin)["NewPartitions"]
    asked.create_partitions([new(topic, 4)])[topic].result(30)
    until(lambda: len(asked.list_topics(topic, timeout=10).topics[topic].partitions) == 4)
    for n in range(2, 6):
        produce(kafka, topic, observe(n, trace=n), n - 2)
    done = ship_from(kafka, topic, home)
    assert (done.observations, done.gaps) == (4, 0)


def test_topic_that_is_not_there_is_said(
    kafka: Kafka, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ship_from(kafka, "never-made", home).unread == 1
    assert "there is no such topic; `genai-cost forward` makes it" in caplog.text


def _delete_before(kafka: Kafka, topic: str, partition: int, offset: int) -> None:
    asked = admin.AdminClient({"bootstrap.servers": kafka.servers})
    place = confluent_kafka.TopicPartition(topic, partition, offset)
    for future in asked.delete_records([place]).values():
        future.result(30)


def _make_again(kafka: Kafka, topic: str) -> None:
    for _ in range(50):
        try:
            return make_topic(kafka.servers, topic, 3)
        except confluent_kafka.KafkaException:
            time.sleep(0.2)
    raise AssertionError("the topic is not deleted")
