"""Kafka as a topic that several workers read together: a consumer group that gives out partitions, and nothing else.

Offsets are the workers' own, kept in their store: none is committed to the broker, so that a group whose offsets were
reset, or a partition that moves while a batch is worked on, changes nothing.
"""

from __future__ import annotations

import time
from typing import Any, Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.streaming.broker import Delivered, Gap, Polled
from otel_genai_cost.streaming.group import PositionOf
from otel_genai_exporters.streams.kafka_client import (
    OnTopic,
    Topic,
    kafka_error,
    library,
    topic_id,
)
from otel_genai_exporters.streams.kafka_reading import (
    consumed,
    ends_of,
    known_partitions,
    reader_of,
    replaced,
)

__all__ = ["KafkaGroup"]

_SESSION_MS: Final = 10_000
"""So long a member is waited for that says nothing."""

_KNOWN_S: Final = _SESSION_MS / 1000 + 5
"""After so long every other member knows that one is gone: they ask the broker every three seconds."""


class KafkaGroup(OnTopic):
    """A topic of Kafka that several read together."""

    def member(self, reader: str, position_of: PositionOf) -> _Member:
        """As `ConsumerGroup.member`.

        Args:
            reader: the group's id.
            position_of: asked for each partition that it gets.
        """
        return _Member(self._topic, reader, position_of)


class _Member:
    def __init__(self, topic: Topic, reader: str, position_of: PositionOf) -> None:
        self._topic, self._position_of = topic, position_of
        self._offsets: dict[int, int | None] = {}
        """From where each partition that it has is read on; None for its start."""
        self._given_s = time.monotonic()
        self._ended = set[int]()
        self._held = set[int]()
        self._gaps: list[Gap] = []
        self._failed: GenAICostError | None = None
        self._client: Any = reader_of(
            topic, reader, auto_offset_reset="error", session_timeout_ms=_SESSION_MS
        )
        try:
            self._every = frozenset(known_partitions(topic, self._client))
            self._id = topic_id(topic)
            self._client.subscribe(
                [topic.name], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken
            )
        except BaseException:
            self._client.close()
            raise

    @property
    def partitions(self) -> frozenset[str]:
        """As `Member.partitions`."""
        return frozenset(map(str, self._offsets.keys() - self._held))

    @property
    def is_share_final(self) -> bool:
        """As `Member.is_share_final`."""
        has_all = self._every <= self._offsets.keys()
        return has_all or time.monotonic() - self._given_s > _KNOWN_S

    def poll(self, limit: int, wait_s: float) -> Polled:
        """As `Member.poll`.

        Args:
            limit: how many messages at most.
            wait_s: for how long to wait where there are none yet.
        """
        due_s = time.monotonic() + wait_s
        found: list[Delivered] = []
        while not found and not self._gaps and time.monotonic() < due_s:
            found = self._consumed(limit)
        gaps, self._gaps = self._gaps, []
        return Polled(
            found, gaps, {}, not gaps and self._offsets.keys() <= self._ended | self._held
        )

    def _consumed(self, limit: int) -> list[Delivered]:
        found, gone = consumed(self._topic, self._client, limit, self._ended)
        for one in found:
            if int(one.partition) in self._offsets:  # not taken away while it was waited
                self._offsets[int(one.partition)] = int(one.position)
        for partition in gone & self._offsets.keys():
            self._lost(partition)
        if gone:
            self._assign(self._client)
        if self._failed is not None:
            raise self._failed
        return [one._replace(position=f"{one.position}@{self._id}") for one in found]

    # --- partitions come and go ---

    def _given(self, client: Any, places: Any) -> None:
        """Called by the library as it polls; what is raised here would be its own to handle."""
        self._ended.clear()
        self._held.clear()
        self._given_s = time.monotonic()
        try:
            self._offsets = {place.partition: self._offset(place.partition) for place in places}
        except GenAICostError as error:
            self._failed = error
            self._offsets = {}
        self._assign(client)

    def _taken(self, client: Any, places: Any) -> None:
        self._offsets.clear()
        client.unassign()

    def _assign(self, client: Any) -> None:
        client.assign(
            [self._at(one, at) for one, at in self._offsets.items() if one not in self._held]
        )

    def _offset(self, partition: int) -> int | None:
        return self._offset_in(partition, self._position_of(str(partition)))

    def _offset_in(self, partition: int, position: str | None) -> int | None:
        """Where a position says to read on; None for the start."""
        if position is None:
            return None
        offset, _, topic = position.partition("@")
        if topic != self._id:
            self._gaps.append(replaced(self._topic, str(partition), offset, f"0@{self._id}"))
            return None
        return int(offset)

    def _at(self, partition: int, offset: int | None) -> Any:
        beginning = library().OFFSET_BEGINNING
        return library().TopicPartition(
            self._topic.name, partition, beginning if offset is None else offset
        )

    def _lost(self, partition: int) -> None:
        """An offset that is not there any more: read on from where the partition begins by now. The client has
        stopped reading it then, and would not seek there."""
        low, high = ends_of(self._topic, self._client, partition)
        offset = self._offsets[partition] or 0
        up_to = low - offset if offset < low else None
        said = (
            f"{self._topic.place}: partition {partition} was read up to offset {offset} and has {low} to {high} by "
            "now: messages were deleted before they were read; lengthen the topic's retention"
        )
        self._gaps.append(Gap(str(partition), up_to, said, f"{low}@{self._id}"))
        self._offsets[partition] = low
        self._ended.discard(partition)

    def seek(self, partition: str, position: str | None) -> None:
        """As `Member.seek`.

        Args:
            partition: which.
            position: as it was delivered; None for the start.
        """
        one = int(partition)
        if one in self._offsets:
            self._ended.discard(one)
            self._offsets[one] = self._offset_in(one, position)
            try:
                self._client.seek(self._at(one, self._offsets[one]))
            except library().KafkaException as error:
                raise kafka_error(self._topic, "a partition cannot be read on", error) from None

    def hold(self, delivered: Delivered) -> None:
        """As `Member.hold`.

        Args:
            delivered: the first message of its partition that is not to be read.
        """
        one = int(delivered.partition)
        self._held.add(one)
        self._client.pause([library().TopicPartition(self._topic.name, one)])

    def close(self) -> None:
        """Leave the group."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
