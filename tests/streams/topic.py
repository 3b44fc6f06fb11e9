"""A topic of Kafka that a test writes to as the sink does: in transactions, which may be aborted."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from confluent_kafka import Producer

from otel_genai_cost.streaming.cloud_event import Message

__all__ = ["Topic"]


class Topic:
    """A topic.

    Args:
        kafka: the address of the broker.
        name: the topic's.
    """

    def __init__(self, kafka: str, name: str) -> None:
        self._name = name
        settings = {
            "bootstrap.servers": kafka,
            "transactional.id": uuid.uuid4().hex,
            "log_level": 0,
        }
        self._producer = Producer(settings)
        self._producer.init_transactions()

    def send(self, messages: Sequence[Message], is_aborted: bool = False) -> None:
        """Send messages, in one transaction.

        Args:
            messages: which.
            is_aborted: whether it comes to nothing.
        """
        self._producer.begin_transaction()
        for one in messages:
            self._producer.produce(
                self._name, one.value, one.key, headers=list(one.headers.items())
            )
            self._producer.poll(0)
        self._producer.flush()
        if is_aborted:
            self._producer.abort_transaction()
        else:
            self._producer.commit_transaction()
