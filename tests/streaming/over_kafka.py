"""What tests of journals over Kafka do: write them, send them, ship them, and look."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming.broker import load_broker
from otel_genai_cost.streaming.cloud_event import observation_message
from otel_genai_cost.streaming.dead_letters import DEAD_LETTERS_FILE, DeadLetters
from otel_genai_cost.streaming.forward import Forwarded, StreamForwarder
from otel_genai_cost.streaming.source import StreamSource
from tests.ledger.build import BOOK, observe
from tests.streaming.brokers import Kafka

__all__ = [
    "booked",
    "calls",
    "forwarded",
    "letters",
    "money_of",
    "produce",
    "ship_from",
    "source_of",
    "until",
    "written",
]


def calls(count: int, first: int = 1) -> list[Observation]:
    """Two spans for each call: the client's and a framework's above it."""
    found: list[Observation] = []
    for n in range(first, first + count):
        times = {"trace": n, "start_s": n, "tokens": (n + 10, 5)}
        found.append(observe(2 * n, above=(2 * n + 1,), end_s=n + 1, **times))  # type: ignore[arg-type]
        found.append(observe(2 * n + 1, end_s=n + 2, scope="framework", **times))  # type: ignore[arg-type]
    return found


def written(folder: Path, observations: Sequence[Observation]) -> None:
    journal = Journal([folder])
    for one in observations:
        journal.append(to_record(one))
    journal.close()
    store_book(folder, BOOK.digest, BOOK.lock)


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


def booked(home: Path) -> list[Entry]:
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    entries = list(ledger.entries)
    ledger.close()
    return entries


def money_of(home: Path) -> dict[str, int]:
    """What each charge comes to."""
    found: dict[str, int] = {}
    for one in booked(home):
        found[one.charge_id] = found.get(one.charge_id, 0) + one.amount
    return found


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
