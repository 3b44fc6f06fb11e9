"""What tests of journals over Kafka do: send them, ship them, and look."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.daemon import Shipped, ship
from otel_genai_cost.streaming.broker import load_broker
from otel_genai_cost.streaming.cloud_event import observation_message
from otel_genai_cost.streaming.dead_letters import DEAD_LETTERS_FILE, DeadLetters
from otel_genai_cost.streaming.forward import Forwarded, StreamForwarder
from otel_genai_cost.streaming.source import StreamSource
from tests.streaming.brokers import Kafka

__all__ = [
    "forwarded",
    "letters",
    "produce",
    "ship_from",
    "source_of",
    "until",
]


def forwarded(kafka: Kafka, topic: str, folder: Path) -> Forwarded:
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


def source_of(kafka: Kafka, topic: str, home: Path) -> StreamSource:
    broker = load_broker("kafka", kafka.options(topic))
    return StreamSource(broker, DeadLetters(home / DEAD_LETTERS_FILE))


def ship_from(kafka: Kafka, topic: str, home: Path) -> Shipped:
    source = source_of(kafka, topic, home)
    try:
        return ship(home, [home / "journal"], sources=[source], drain=True)
    finally:
        source.close()


def letters(home: Path) -> list[Mapping[str, Any]]:
    return list(DeadLetters(home / DEAD_LETTERS_FILE).records())


def produce(kafka: Kafka, topic: str, observation: Observation, partition: int) -> None:
    message = observation_message(observation, "/n")
    kafka.produce(topic, message.value, partition, **message.headers)


def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")
