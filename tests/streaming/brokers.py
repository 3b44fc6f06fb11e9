"""A real Kafka, and topics of a test's own in it."""

from __future__ import annotations

from itertools import count
from typing import Any

import confluent_kafka
from confluent_kafka import admin

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.streaming.cloud_event import Message, entry_in, event_in
from otel_genai_exporters.streams.kafka_client import Topic
from otel_genai_exporters.streams.kafka_reading import every_message

__all__ = ["Kafka", "committed", "entries_on", "make_topic", "with_settings"]

_numbers = count(1)


class Kafka:
    """A broker.

    Args:
        servers: where it listens.
    """

    def __init__(self, servers: str) -> None:
        self.servers = servers

    def topic(self, partitions: int = 3, **settings: str) -> str:
        """A new topic.

        Args:
            partitions: how many it has.
            settings: its own, with `_` for dots.
        """
        name = f"test{next(_numbers)}"
        make_topic(self.servers, name, partitions, **settings)
        return name

    def options(self, topic: str) -> list[str]:
        """As a command takes them."""
        return [f"servers={self.servers}", f"topic={topic}"]

    def produce(
        self, topic: str, value: bytes | None, partition: int = 0, **headers: bytes
    ) -> None:
        """Put a message there, of whatever kind.

        Args:
            topic: where.
            value: its value.
            partition: of the topic.
            headers: of the message.
        """
        client = confluent_kafka.Producer({"bootstrap.servers": self.servers})
        client.produce(topic, value, None, partition, headers=[*headers.items()])
        assert client.flush(30) == 0


def make_topic(servers: str, name: str, partitions: int, **settings: str) -> None:
    """Make a topic.

    Args:
        servers: where.
        name: its name.
        partitions: how many it has.
        settings: its own, with `_` for dots.
    """
    config: dict[str, Any] = {key.replace("_", "."): value for key, value in settings.items()}
    new: Any = vars(admin)["NewTopic"]
    one = new(name, num_partitions=partitions, replication_factor=1, config=config)
    asked = admin.AdminClient({"bootstrap.servers": servers})
    asked.create_topics([one])[name].result(30)


def with_settings(servers: str, topic: str) -> Topic:
    """A topic as an adapter knows it."""
    return Topic.of(servers, topic, {})


def committed(servers: str, topic: str) -> list[Any]:
    """What a reader of committed messages finds on a topic."""
    return list(every_message(with_settings(servers, topic)))


def entries_on(servers: str, topic: str) -> list[Entry]:
    """The entries that a reader of committed messages finds on a topic."""
    return [
        entry_in(event_in(Message(one.value(), dict(one.headers()), one.key().decode())))
        for one in committed(servers, topic)
    ]
