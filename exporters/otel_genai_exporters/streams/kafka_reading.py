"""Reading all of a topic once, as its last transactions left it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from otel_genai_exporters.streams.kafka_client import (
    ASKED_WITHIN_S,
    Topic,
    code_of,
    kafka_error,
    library,
)

__all__ = ["every_message", "partitions_of", "reader_of"]

_AT_ONCE = 5_000
_WAIT_S = 0.1


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
        raise kafka_error(topic, "no broker answers", error) from None
    if found is None or code_of(found.error) == "UNKNOWN_TOPIC_OR_PART":
        return []
    if found.error is not None:
        raise kafka_error(topic, "it cannot be read", found.error)
    return sorted(found.partitions)


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
