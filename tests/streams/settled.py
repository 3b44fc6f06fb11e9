"""The job on a real cluster: observations are sent to a real Kafka, and entries are read from it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, Producer
from confluent_kafka import Message as KafkaMessage

from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.entry import Entry, entry_json
from otel_genai_cost.streaming.cloud_event import (
    Message,
    Unlink,
    entry_in,
    event_in,
    observation_message,
    unlink_message,
)
from otel_genai_cost.streaming.partition import PartitionBy, key_of, partition_key
from tests.demo.processes import ROOT
from tests.streaming.brokers import make_topic
from tests.streams.flink import Cluster

__all__ = [
    "PARTITIONS",
    "Sent",
    "Topics",
    "digest",
    "end",
    "read_entries",
    "refusals",
    "send",
    "send_unlinks",
    "submit",
    "topics",
]

_JOB: Final = ROOT / "stream-config" / "flink"
PARTITIONS: Final = 4
_POLL_S: Final = 0.5
_FLUSH_S: Final = 120.0
_NEVER_QUIET_S: Final = 36_000
"""Tests send in parts: in between, the stream's time stands still."""

_HOUR_MS: Final = 3_600_000


class Topics(NamedTuple):
    """A broker, and three topics there."""

    server: str
    observations: str
    entries: str
    refused: str


def topics(server: str, name: str) -> Topics:
    """Three new topics.

    Args:
        server: the broker.
        name: how theirs begin.
    """
    made = Topics(server, f"{name}-observations", f"{name}-entries", f"{name}-refused")
    for one in made[1:]:
        # What is sent is as old as its calls, which are of 2026: the broker would soon take it for expired.
        make_topic(server, one, PARTITIONS, retention_ms="-1")
    return made


class Sent(NamedTuple):
    """How many observations were sent, and when the last call of them ended."""

    observations: int
    end_us: int


def send(to: Topics, observations: Iterable[Observation], by: PartitionBy) -> Sent:
    """Send observations, at the time when each ended.

    Args:
        to: where.
        observations: in the order of their ends.
        by: what they are keyed by.
    """
    producer = Producer({"bootstrap.servers": to.server, "linger.ms": 50, "batch.size": 1_000_000})
    count = end_us = 0
    for count, one in enumerate(observations, 1):
        end_us = one.end_us
        message = observation_message(one, "/tests", partition_key(one, by))
        _produce(producer, to.observations, message, -(-one.end_us // 1_000))
    assert producer.flush(_FLUSH_S) == 0
    return Sent(count, end_us)


def send_unlinks(to: Topics, unlinks: Iterable[Unlink], by: PartitionBy) -> None:
    """Send what a person decided, each twice.

    Args:
        to: where.
        unlinks: which, each sent when it was said.
        by: what observations are keyed by.
    """
    producer = Producer({"bootstrap.servers": to.server})
    for one in unlinks:
        message = unlink_message(one, "/tests", key_of(one.cell, one.trace_id, by))
        for _ in range(2):
            _produce(producer, to.observations, message, one.at_us // 1_000)
    assert producer.flush(_FLUSH_S) == 0


def end(to: Topics, at_us: int) -> int:
    """Send what is no observation to every partition, an hour later: all that was sent ripens.

    Args:
        to: where.
        at_us: when the last call ended.

    Returns:
        How many messages those are.
    """
    producer = Producer({"bootstrap.servers": to.server})
    for partition in range(PARTITIONS):
        at_ms = at_us // 1_000 + _HOUR_MS
        producer.produce(to.observations, b"hello", partition=partition, timestamp=at_ms)
    assert producer.flush(_FLUSH_S) == 0
    return PARTITIONS


def _produce(producer: Producer, topic: str, message: Message, at_ms: int) -> None:
    headers: Any = list(message.headers.items())
    while True:
        try:
            return producer.produce(
                topic, message.value, key=message.key, headers=headers, timestamp=at_ms
            )
        except BufferError:
            producer.poll(_POLL_S)


def submit(
    cluster: Cluster,
    to: Topics,
    by: PartitionBy,
    folder: Path,
    options: Sequence[str] = (),
    **more: object,
) -> str:
    """The id of the settlement job, which is configured as we hand it out.

    Args:
        cluster: where it runs.
        to: its topics.
        by: what it settles by.
        folder: for its configuration.
        options: of `flink run`.
        more: of the configuration, and what it says.
    """
    settings: dict[str, object] = {
        "servers": to.server,
        "observations": to.observations,
        "entries": to.entries,
        "refused": to.refused,
        "group": f"settle-{to.observations}",
        "partition_by": by,
        "quiet_after_s": _NEVER_QUIET_S,
        **more,
    }
    lines = []
    for line in (_JOB / "settlement.toml").read_text("utf-8").splitlines():
        name = line.removeprefix("# ").partition(" = ")[0]
        lines.append(f"{name} = {json.dumps(settings[name])}" if name in settings else line)
    config = folder / f"{to.observations}.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    return cluster.submit(_JOB / "job.py", "--config", str(config), options=options)


def read_entries(to: Topics, is_over: Callable[[int], bool]) -> Iterator[Entry]:
    """The entries on the topic, committed ones alone, as they come.

    Args:
        to: where.
        is_over: told how many there were, whenever none came for a while; whether there will be no more.
    """
    count = 0
    for found in _polled(to, to.entries):
        for one in found:
            count += 1
            yield entry_in(event_in(Message(one.value() or b"", _headers(one))))
        if not found and is_over(count):
            return


def refusals(to: Topics, count: int) -> list[bytes]:
    """Why messages were refused, as soon as so many were."""
    reasons: list[bytes] = []
    for found in _polled(to, to.refused):
        reasons += [_headers(one)["refused"] for one in found]
        if len(reasons) >= count:
            break
    return reasons


def _headers(message: KafkaMessage) -> dict[str, bytes]:
    found: Any = message.headers() or ()
    return dict(found)


def _polled(to: Topics, topic: str) -> Iterator[list[KafkaMessage]]:
    """What is committed on a topic, from its beginning on; an empty list where none came for a while."""
    consumer = Consumer(
        {
            "bootstrap.servers": to.server,
            "group.id": f"test-{time.monotonic_ns()}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    try:
        while True:
            found = consumer.consume(1_000, _POLL_S)
            for one in found:
                assert one.error() is None, one.error()
            yield found
    finally:
        consumer.close()


def digest(entry: Entry) -> bytes:
    """All that an entry says, but for its number and when it was booked."""
    record = entry_json(entry)
    del record["seq"], record["booked"]
    return blake2b(encode(record), digest_size=16).digest()
