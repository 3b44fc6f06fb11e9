"""Kafka as a broker of observations.

The producer is idempotent and has no transactions: one that a dead node left open would stop all readers until it times
out, and readers know copies by their ids. The consumer is assigned every partition by itself, reads what is committed,
and never lets the client choose another offset: an offset that is gone is a gap.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from otel_genai_cost.streaming.broker import Delivered, Gap, Polled
from otel_genai_cost.streaming.cloud_event import Message
from otel_genai_exporters.streams.kafka_client import (
    REFUSED,
    SENT_WITHIN_S,
    OnTopic,
    Topic,
    code_of,
    kafka_error,
    library,
    make_topic,
    topic_id,
)
from otel_genai_exporters.streams.kafka_reading import (
    consumed,
    ends_of,
    known_partitions,
    reader_of,
    replaced,
)

__all__ = ["KafkaBroker"]

_DOWN: Final = frozenset({"_ALL_BROKERS_DOWN", "_TRANSPORT", "_RESOLVE", "_AUTHENTICATION"})
_LOOK_EVERY_S: Final = 30.0
"""So often it is asked whether the topic has further partitions, or is another one by now."""

_ONCE_S: Final = 0.1
_ID: Final = "topic"
"""Of the note that says which topic it was."""


class KafkaBroker(OnTopic):
    """A topic of Kafka that one reader reads."""

    @property
    def name(self) -> str:
        """As `Broker.name`."""
        return f"kafka/{self._topic.name}"

    def producer(self) -> _Producer:
        """As `Broker.producer`."""
        return _Producer(self._topic)

    def consumer(self, reader: str) -> _Consumer:
        """As `Broker.consumer`.

        Args:
            reader: the group whose progress is shown.
        """
        return _Consumer(self._topic, reader)


class _Producer:
    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._client: Any = None

    def send(self, messages: Sequence[Message]) -> Mapping[int, str]:
        """As `Producer.send`. A broker refuses a whole batch for one of its messages: each is sent alone then."""
        refused = self._attempt(messages, range(len(messages))) if messages else {}
        if len(messages) <= 1:
            return refused
        return {
            number: why
            for each in refused
            for number, why in self._attempt(messages, (each,)).items()
        }

    def _attempt(self, messages: Sequence[Message], numbers: Iterable[int]) -> dict[int, str]:
        client, reports = self._opened(), dict[int, Any]()
        for number in numbers:
            self._produce(client, number, messages[number], reports)
        try:
            left = client.flush(SENT_WITHIN_S)
        except (
            library().KafkaException,
            SystemError,
        ) as error:  # a fatal one, over what is called back
            self.close()
            raise kafka_error(self._topic, "messages were not taken", error) from None
        failed = [error for error in reports.values() if code_of(error) not in REFUSED]
        if left or failed:
            self.close()
            raise kafka_error(
                self._topic, "messages were not taken", failed[0] if failed else "no answer in time"
            )
        return {number: str(error.str()) for number, error in reports.items()}

    def _produce(self, client: Any, number: int, message: Message, reports: dict[int, Any]) -> None:
        def reported(error: Any, _: Any) -> None:
            if error is not None:
                reports[number] = error

        due_s = time.monotonic() + SENT_WITHIN_S
        while True:
            try:
                client.produce(
                    self._topic.name,
                    message.value,
                    message.key.encode("utf-8", "replace"),
                    headers=list(message.headers.items()),
                    on_delivery=reported,
                )
                return
            except BufferError:
                client.poll(_ONCE_S)
                if time.monotonic() > due_s:
                    self.close()
                    raise kafka_error(
                        self._topic, "it takes no more", "no answer in time"
                    ) from None
            except library().KafkaException as error:
                if code_of(error) in REFUSED:
                    reports[number] = error.args[0]
                    return
                self.close()
                raise kafka_error(self._topic, "a message was not taken", error) from None

    def _opened(self) -> Any:
        if self._client is None:
            make_topic(self._topic, self._topic.name)
            self._client = self._topic.client(
                "Producer",
                enable_idempotence=True,
                compression_type="zstd",
                linger_ms=20,
                delivery_timeout_ms=int(SENT_WITHIN_S * 900),
            )
        return self._client

    def close(self) -> None:
        """Let go of the connection; what is not acknowledged is sent again."""
        client, self._client = self._client, None
        if client is not None:
            client.purge()
            client.flush(_ONCE_S)


class _Consumer:
    def __init__(self, topic: Topic, reader: str) -> None:
        self._topic, self._reader = topic, reader
        self._client: Any = None
        self._begin({})

    def _begin(self, positions: Mapping[str, str]) -> None:
        self._offsets = {int(one): int(at) for one, at in positions.items() if one != _ID}
        self._id = positions.get(_ID, "")
        self._is_new = not positions
        self._started = set[int]()
        self._ended = set[int]()
        self._held = set[int]()
        self._gaps: list[Gap] = []
        self._is_down = False
        self._look_s = 0.0

    def begin(self, positions: Mapping[str, str]) -> None:
        """As `Consumer.begin`.

        Args:
            positions: offsets by partition, and the topic's identity.
        """
        self.close()
        self._begin(positions)
        self._client = reader_of(
            self._topic, self._reader, auto_offset_reset="error", error_cb=self._erred
        )
        self._look()

    def _erred(self, error: Any) -> None:
        self._is_down = self._is_down or code_of(error) in _DOWN

    # --- what there is ---

    def poll(self, limit: int, wait_s: float) -> Polled:
        """As `Consumer.poll`.

        Args:
            limit: how many messages at most.
            wait_s: for how long to wait where there are none yet.
        """
        if time.monotonic() >= self._look_s:
            self._look()
        if self._gaps:
            gaps, self._gaps = self._gaps, []
            return Polled((), gaps, {_ID: self._id}, at_end=False)
        due_s = time.monotonic() + wait_s
        delivered: list[Delivered] = []
        while not delivered and not self._gaps:
            delivered = self._taken(limit)
            if self._is_at_end or time.monotonic() >= due_s:
                break
        if self._is_down and not delivered:
            self._ask()
        return Polled(delivered, (), {_ID: self._id}, self._is_at_end and not self._gaps)

    @property
    def _is_at_end(self) -> bool:
        return self._started <= self._ended | self._held

    def _taken(self, limit: int) -> list[Delivered]:
        found, gone = consumed(self._topic, self._client, limit, self._ended)
        self._offsets.update({int(one.partition): int(one.position) for one in found})
        for partition in gone:
            self._start(partition)
        if gone:
            self._assign()
        return found

    def _ask(self) -> None:
        """Whether a broker answers again. Raises GenAICostError."""
        for partition in self._started:
            ends_of(self._topic, self._client, partition)
            break
        self._is_down = False

    # --- where to begin ---

    def _look(self) -> None:
        """Find the topic's partitions, and whether it is still the same topic. Raises GenAICostError."""
        self._look_s = time.monotonic() + _LOOK_EVERY_S
        found = known_partitions(self._topic, self._client)
        one = topic_id(self._topic)
        if self._id not in ("", one):
            self._gaps += [
                replaced(self._topic, str(partition), str(offset), "0")
                for partition, offset in sorted(self._offsets.items())
            ]
            self._offsets.clear()
            self._started.clear()
        self._id = one
        new = [partition for partition in found if partition not in self._started]
        for partition in new:
            self._start(partition)
        if new:
            self._assign()

    def _start(self, partition: int) -> None:
        """Take up a partition where it was left, or where it begins by now."""
        low, high = ends_of(self._topic, self._client, partition)
        offset = self._offsets.get(partition)
        if offset is None:
            self._offsets[partition] = low
            if low and not self._is_new:
                self._lost(partition, 0, low)
        elif offset < low:
            self._lost(partition, offset, low)
        elif offset > high:
            said = (
                f"{self._topic.place}: partition {partition} ends at offset {high}, before {offset}, up to which it "
                "was read: the cluster has lost messages; it is read again from its start"
            )
            self._gaps.append(Gap(str(partition), None, said, str(low)))
            self._offsets[partition] = low
        self._started.add(partition)
        self._ended.discard(partition)

    def _lost(self, partition: int, offset: int, low: int) -> None:
        said = (
            f"{self._topic.place}: partition {partition} was read up to offset {offset} and begins at {low} by now: up "
            f"to {low - offset} message(s) were deleted before they were read; lengthen the topic's retention"
        )
        self._gaps.append(Gap(str(partition), low - offset, said, str(low)))
        self._offsets[partition] = low

    def _assign(self) -> None:
        place = library().TopicPartition
        self._client.assign(
            [place(self._topic.name, one, self._offsets[one]) for one in self._started - self._held]
        )

    # --- what becomes of it ---

    def hold(self, delivered: Delivered) -> None:
        """As `Consumer.hold`.

        Args:
            delivered: the first message of its partition that is not to be read.
        """
        partition = int(delivered.partition)
        self._held.add(partition)
        self._offsets[partition] = int(delivered.position) - 1
        self._assign()

    def kept(self, positions: Mapping[str, str]) -> None:
        """As `Consumer.kept`: shown as the offsets of a group, which nothing is ever read from.

        Args:
            positions: offsets by partition.
        """
        place = library().TopicPartition
        shown = [
            place(self._topic.name, int(one), int(at))
            for one, at in positions.items()
            if one != _ID
        ]
        if shown and self._client is not None:
            with suppress(library().KafkaException):
                self._client.commit(offsets=shown, asynchronous=True)

    def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
