"""Reading a topic as its last transactions left it: what is there, what is gone, and all of it once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.streaming.broker import Delivered, Gap
from otel_genai_cost.streaming.cloud_event import Message
from otel_genai_exporters.streams.kafka_client import (
    ASKED_WITHIN_S,
    Topic,
    code_of,
    kafka_error,
    library,
)

__all__ = [
    "Consumed",
    "consumed",
    "ends_of",
    "every_message",
    "known_partitions",
    "partitions_of",
    "reader_of",
    "replaced",
]

_GONE: Final = frozenset({"_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"})
"""What is said of an offset that is not there any more."""


_AT_ONCE = 5_000
_WAIT_S = 0.1


class Consumed(NamedTuple):
    """What was there.

    Attributes:
        delivered: in each partition in its order.
        gone: partitions whose next offset is not there any more.
    """

    delivered: list[Delivered]
    gone: set[int]


def reader_of(topic: Topic, group: str, **more: object) -> Any:
    """A consumer of what is committed, which says where a partition ends.

    Args:
        topic: to be read.
        group: whose progress may be noted; no partition is given out to it.
        more: further properties.
    """
    return topic.client(
        "Consumer",
        group_id=group,
        enable_auto_commit=False,
        enable_auto_offset_store=False,
        isolation_level="read_committed",
        enable_partition_eof=True,
        **more,
    )


def partitions_of(topic: Topic, client: Any) -> list[int]:
    """The partitions of a topic; none if it is not there.

    Args:
        topic: which.
        client: by which it is asked.

    Raises:
        GenAICostError: if no broker answers.
    """
    try:
        found = client.list_topics(topic.name, timeout=ASKED_WITHIN_S).topics.get(topic.name)
    except library().KafkaException as error:
        if not client.assignment():  # with one, it could give a message
            client.poll(0)  # in which it says what brokers told it meanwhile
        raise kafka_error(topic, "no broker answers", error) from None
    if found is None or code_of(found.error) == "UNKNOWN_TOPIC_OR_PART":
        return []
    if found.error is not None:
        raise kafka_error(topic, "it cannot be read", found.error)
    return sorted(found.partitions)


def known_partitions(topic: Topic, client: Any) -> list[int]:
    """The partitions of a topic that is there.

    Args:
        topic: which.
        client: by which it is asked.

    Raises:
        GenAICostError: if no broker answers, or there is no such topic.
    """
    found = partitions_of(topic, client)
    if not found:
        raise GenAICostError(
            f"{topic.place}: there is no such topic; `genai-cost forward` makes it, or make it yourself"
        )
    return found


def ends_of(topic: Topic, client: Any, partition: int) -> tuple[int, int]:
    """Where a partition begins and ends by now.

    Args:
        topic: which.
        client: by which it is asked.
        partition: of the topic.

    Raises:
        GenAICostError: if no broker answers.
    """
    place = library().TopicPartition(topic.name, partition)
    try:
        found: tuple[int, int] | None = client.get_watermark_offsets(place, timeout=ASKED_WITHIN_S)
    except library().KafkaException as error:
        raise kafka_error(topic, "no broker answers", error) from None
    if found is None:
        raise kafka_error(topic, "no broker answers", "no answer in time")
    return found


def replaced(topic: Topic, partition: str, offset: str, position: str) -> Gap:
    """The gap where a topic is another one than was read.

    Args:
        topic: as it is now.
        partition: which one of it.
        offset: up to which it was read.
        position: from where it is read on.
    """
    said = (
        f"{topic.place} is another topic than the one of this name that was read before; what that one had after "
        f"offset {offset} of partition {partition} is not known"
    )
    return Gap(partition, None, said, position)


def consumed(topic: Topic, client: Any, limit: int, ended: set[int]) -> Consumed:
    """What a consumer of `reader_of` gets at once.

    Args:
        topic: which.
        client: the consumer.
        limit: how many messages at most.
        ended: partitions that were read to their end; those that are now come in, and those that go on go out.

    Raises:
        GenAICostError: if it cannot be read.
    """
    found = Consumed([], set())
    for message in client.consume(limit, _WAIT_S):
        error, partition = message.error(), message.partition()
        if error is None:
            ended.discard(partition)
            found.delivered.append(_delivered(topic, message))
        elif code_of(error) == "_PARTITION_EOF":
            ended.add(partition)
        elif code_of(error) in _GONE:
            found.gone.add(partition)
        else:
            raise kafka_error(topic, "it cannot be read", error)
    return found


def _delivered(topic: Topic, message: Any) -> Delivered:
    headers = {name: value or b"" for name, value in message.headers() or ()}
    key = (message.key() or b"").decode("utf-8", "replace")
    partition, offset = message.partition(), message.offset()
    return Delivered(
        Message(message.value() or b"", headers, key),
        str(partition),
        str(offset + 1),
        f"{topic.name}[{partition}]@{offset}",
    )


def every_message(topic: Topic) -> Iterator[Any]:
    """All messages that are there now, partition by partition in their order; none if there is no such topic.

    Args:
        topic: which.

    Raises:
        GenAICostError: if it cannot be read to its end.
    """
    client = reader_of(topic, "genai-cost-once", auto_offset_reset="earliest")
    try:
        left = set(partitions_of(topic, client))
        place, beginning = library().TopicPartition, library().OFFSET_BEGINNING
        client.assign([place(topic.name, one, beginning) for one in left])
        due_s = time.monotonic() + ASKED_WITHIN_S
        while left:
            found = client.consume(_AT_ONCE, _WAIT_S)
            if found:
                due_s = time.monotonic() + ASKED_WITHIN_S
            elif time.monotonic() > due_s:
                raise kafka_error(topic, "it cannot be read to its end", "no broker answers")
            for message in found:
                error = message.error()
                if error is None:
                    yield message
                elif code_of(error) == "_PARTITION_EOF":
                    left.discard(message.partition())
                else:
                    raise kafka_error(topic, "it cannot be read", error)
    finally:
        client.close()
