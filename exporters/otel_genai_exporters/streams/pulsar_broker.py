"""Observations on a topic of Pulsar: an adapter of `streaming.broker`.

A subscription of the reader's name holds what was not kept yet, so that Pulsar's retention does not delete it; where it
is read from is what the reader kept, not where the subscription stands. Pulsar numbers no messages across what it has
deleted, so what is gone is noticed, but not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.streaming.broker import Delivered, Gap, Polled
from otel_genai_cost.streaming.cloud_event import Message
from otel_genai_exporters.streams.pulsar_client import (
    OPTIONS,
    TOO_LARGE,
    Address,
    Connection,
    address_in,
    address_of,
    follows,
    message_of,
    received,
)

__all__ = ["PulsarBroker", "PulsarConsumer", "PulsarProducer"]

_START: Final = Address(-1, -1, -1)
_FIRST_WITHIN_MS: Final = 5_000
_AT_ONCE_MS: Final = 1
_PARTITIONS_EVERY_S: Final = 60.0
_QUIET_S: Final = 10.0


class PulsarBroker:
    """A topic of Pulsar.

    Args:
        topic: which.
        options: more of `OPTIONS`.

    Raises:
        ConfigurationError: if one of them cannot be used.
        MissingExtraError: without pulsar-client.
    """

    def __init__(self, topic: str, **options: str) -> None:
        self._options = {"topic": topic, **options}
        self._checked = Connection(**self._options)

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What each option means."""
        return OPTIONS

    @property
    def name(self) -> str:
        """The topic's whole name, wherever its cluster is."""
        return f"pulsar/{self._checked.topic.removeprefix('persistent://')}"

    @property
    def place(self) -> str:
        """Which topic of which cluster."""
        return self._checked.place

    def producer(self) -> PulsarProducer:
        """What sends to it."""
        return PulsarProducer(Connection(**self._options))

    def consumer(self, reader: str) -> PulsarConsumer:
        """What reads from it.

        Args:
            reader: the name of the subscription.
        """
        return PulsarConsumer(Connection(**self._options), reader)


class PulsarProducer:
    """Sends to a topic.

    Args:
        connection: to the cluster.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer: Any = None
        self._numbers = count(1)

    def send(self, messages: Sequence[Message]) -> Mapping[int, str]:
        """Send messages, and wait until the cluster has them; those that are too large come back.

        Args:
            messages: in their order.

        Raises:
            GenAICostError: if it is not known that it has them.
        """
        connection = self._connection
        if self._producer is None:
            self._producer = connection.producer(connection.topic, batching_enabled=True)
        answers, _ = connection.send(self._producer, messages, self._numbers)
        refused: dict[int, str] = {}
        for place, answer in enumerate(answers):
            if answer == TOO_LARGE:
                refused[place] = "larger than the cluster takes (its maxMessageSize)"
            elif answer != "Ok":
                raise GenAICostError(
                    f"{connection.place} did not take a message: {answer}; see that it is up and"
                    " has room"
                )
        return refused

    def close(self) -> None:
        """Let go of the connection. It may be called twice."""
        self._producer = None
        self._connection.close()


class _Partition:
    """One partition as it is read.

    Args:
        name: its number, as text.
        topic: the partition's own.
        consumer: the client's, of a subscription of it.
    """

    def __init__(self, name: str, topic: str, consumer: Any) -> None:
        self.name, self.topic, self.consumer = name, topic, consumer
        self.after: Address | None = None
        """The last that was delivered, or kept before."""
        self.is_held = False
        self.first: Any = None
        """A message that was received while it was looked where the subscription stands."""
        self.delivered: dict[str, Any] = {}
        """The client's own ids of what was delivered since the last that was kept: they know where a batch ends."""

    def next(self, wait_ms: int) -> Any:
        """The next message, None if there is none within the time."""
        first, self.first = self.first, None
        return first or received(self.consumer, wait_ms)


class PulsarConsumer:
    """Reads a topic, all of it.

    Args:
        connection: to the cluster.
        reader: the name of the subscription.
    """

    def __init__(self, connection: Connection, reader: str) -> None:
        self._connection, self._reader = connection, reader
        self._partitions: dict[str, _Partition] = {}
        self._gaps: list[Gap] = []
        self._looked_s = self._delivered_s = 0.0

    def begin(self, positions: Mapping[str, str]) -> None:
        """Read from there on; partitions without a position from their start.

        Args:
            positions: by partition.

        Raises:
            GenAICostError: if the topic cannot be reached, or somebody else reads it by the same name.
        """
        self.close()
        self._gaps.clear()
        self._delivered_s = time.monotonic()
        self._add(positions)

    def _add(self, positions: Mapping[str, str]) -> None:
        """Read those partitions as well that are new."""
        self._looked_s = time.monotonic()
        for number, topic in enumerate(self._connection.partitions()):
            if str(number) not in self._partitions:
                with self._connection.asking("cannot be read"):
                    found = _Partition(str(number), topic, self._subscription(topic))
                    self._partitions[found.name] = found
                    self._place(found, address_in(positions.get(found.name, "")))

    def _subscription(self, topic: str) -> Any:
        library = self._connection.library
        return self._connection.client.subscribe(
            topic,
            self._reader,
            consumer_type=library.ConsumerType.Exclusive,
            initial_position=library.InitialPosition.Earliest,
        )

    def _place(self, partition: _Partition, after: Address | None) -> None:
        """Have a partition read on after what was kept of it, wherever its subscription stands."""
        consumer, earliest = partition.consumer, self._connection.library.MessageId.earliest
        if after is None:
            consumer.seek(earliest)
            return
        last = address_of(consumer.get_last_message_id())
        if _is_before(last, after):
            what = "the topic is another than the one that was read before"
            self._lost(partition, after, what, _START)
            consumer.seek(earliest)
            return
        partition.after = after
        if after < last:
            self._catch_up(partition, after, last)

    def _catch_up(self, partition: _Partition, after: Address, last: Address) -> None:
        """Read again what the subscription has left behind, if it is there still. Where it stands at the start of a
        ledger of Pulsar's, it is not known whether something stood at the end of the ledger before."""
        partition.first = received(partition.consumer, _FIRST_WITHIN_MS)
        if partition.first:
            first = address_of(partition.first.message_id())
            if first <= after or follows(first, after) or (first.entry, first.batch) <= (0, 0):
                return
        partition.consumer.seek(self._connection.library.MessageId(-1, *after))
        partition.first = received(partition.consumer, _FIRST_WITHIN_MS)
        found = address_of(partition.first.message_id()) if partition.first else None
        if found is None or not (found <= after or follows(found, after)):
            on = last if found is None else found._replace(batch=found.batch - 1)
            self._lost(partition, after, "it was deleted before it was read", on)

    def _lost(self, partition: _Partition, after: Address, what: str, on: Address) -> None:
        message = (
            f"{partition.topic}: what stood after {after} cannot be read: {what}; see that no time to live and"
            f" no quota deletes what the subscription {self._reader!r} holds"
        )
        self._gaps.append(Gap(partition.name, None, message, str(on)))

    def poll(self, limit: int, wait_s: float) -> Polled:
        """What comes next.

        Args:
            limit: how many messages at most.
            wait_s: for how long to wait where there are none yet.

        Raises:
            GenAICostError: if the cluster does not answer.
        """
        if time.monotonic() - self._looked_s > _PARTITIONS_EVERY_S:
            self._add({})
        until_s = time.monotonic() + wait_s
        delivered: list[Delivered] = []
        with self._connection.asking("cannot be read"):
            while len(delivered) < limit:
                found = list(self._round(limit - len(delivered)))
                delivered += found
                if not found and (delivered or time.monotonic() >= until_s):
                    break
        self._check()
        gaps, self._gaps = self._gaps, []
        if delivered:
            self._delivered_s = time.monotonic()
        return Polled(delivered, gaps, {}, at_end=len(delivered) < limit and self._is_at_end())

    def _is_at_end(self) -> bool:
        """Whether all is read. What Pulsar itself writes to a topic is never delivered: after a while it is the end."""
        if time.monotonic() - self._delivered_s > _QUIET_S:
            return True
        with self._connection.asking("cannot be asked for its end"):
            for partition in self._partitions.values():
                if not partition.is_held:
                    last = address_of(partition.consumer.get_last_message_id())
                    if last.entry >= 0 and (partition.after or _START) < last:
                        return False
        return True

    def _round(self, limit: int) -> Iterator[Delivered]:
        """What there is in each partition, one after the other."""
        for partition in self._partitions.values():
            while limit and not partition.is_held:
                one = partition.next(_AT_ONCE_MS)
                if one is None:
                    break
                address = address_of(one.message_id())
                if partition.after is None or partition.after < address:
                    limit -= 1
                    yield self._delivered(partition, address, one)

    def _delivered(self, partition: _Partition, address: Address, one: Any) -> Delivered:
        partition.after, position = address, str(address)
        partition.delivered[position] = one.message_id()
        return Delivered(message_of(one), partition.name, position, f"{partition.topic} {position}")

    def _check(self) -> None:
        """Raise if a partition is not connected: silence would look like its end."""
        for partition in self._partitions.values():
            if not partition.consumer.is_connected():
                raise GenAICostError(f"{self._connection.place} does not answer; see that it is up")

    def hold(self, delivered: Delivered) -> None:
        """Read a partition no further.

        Args:
            delivered: the message that cannot be read.
        """
        self._partitions[delivered.partition].is_held = True

    def kept(self, positions: Mapping[str, str]) -> None:
        """Let the subscription go as far, so that Pulsar may delete what stands before it.

        Args:
            positions: by partition.
        """
        with self._connection.asking("does not take note of what is read"):
            for name, position in positions.items():
                partition = self._partitions.get(name)
                if partition is not None and position in partition.delivered:
                    partition.consumer.acknowledge_cumulative(partition.delivered[position])
                    partition.delivered.clear()

    def close(self) -> None:
        """Let go of the connection. It may be called twice."""
        self._partitions.clear()
        self._connection.close()


def _is_before(last: Address, after: Address) -> bool:
    """Whether a topic ends before what was read of it; one that has been emptied says nothing of that."""
    return last.entry >= 0 and last[:2] < after[:2]
