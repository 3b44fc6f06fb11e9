"""The port: a topic of a broker, as nodes send observations to it and a ledger reads them from it.

An adapter knows one broker's client, and nothing of observations: it carries messages. It does this.

- **Sending.** `send` hands messages over and returns once the broker has them durably. What the broker refuses for
  good, such as a message that is too large, it returns with the reason; for whatever else goes wrong it raises, and all
  of them are sent again: copies are harmless, since readers know an event by its id.
- **Reading.** The reader keeps positions, in its own transaction with what it read, so an adapter never acknowledges
  anything to be remembered by the broker. It reads every partition itself, and lets no group of consumers divide them:
  somebody else in that group would take messages away. `begin` is told all positions, as `Delivered.position` gave
  them; the adapter continues right there, or says which messages are gone by then as a `Gap`. Positions are text that
  only the adapter understands; notes that it wants to have kept beside them, such as the identity of the topic, it
  returns as `Polled.notes`, and finds among the positions again.
- **Failing.** It raises GenAICostError with a message that says what, where and what to do, and never the client's
  own errors; it waits no longer than it is told.

It is registered under `otel_genai_cost.brokers`, with a class that takes options as text (`options` says which) and has
the methods of `Broker`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol, cast

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.plug_ins import missing_option, plug_in
from otel_genai_cost.settings import value_at
from otel_genai_cost.streaming.cloud_event import Message

__all__ = [
    "GROUP",
    "Broker",
    "Consumer",
    "Delivered",
    "Gap",
    "Polled",
    "Producer",
    "load_broker",
    "load_reached",
]

GROUP: Final = "otel_genai_cost.brokers"


class Delivered(NamedTuple):
    """A message, and where it stood.

    Attributes:
        message: whatever it is.
        partition: which one of the topic.
        position: from where to read on after it.
        place: where it stands, for people.
    """

    message: Message
    partition: str
    position: str
    place: str


class Gap(NamedTuple):
    """Messages that were not read and cannot be any more.

    Attributes:
        partition: which one of the topic.
        up_to: so many they can be at most; None where that is not known.
        message: what happened, for people.
        position: from where it is read on.
    """

    partition: str
    up_to: int | None
    message: str
    position: str


class Polled(NamedTuple):
    """What was there.

    Attributes:
        delivered: in each partition in its order.
        gaps: what is lost before them.
        notes: to be kept with the positions, and given back by `begin`.
        at_end: whether that was all there is for now.
    """

    delivered: Sequence[Delivered] = ()
    gaps: Sequence[Gap] = ()
    notes: Mapping[str, str] = {}
    at_end: bool = True


class Producer(Protocol):
    """Sends to the topic."""

    def send(self, messages: Sequence[Message]) -> Mapping[int, str]:
        """Send messages, and wait until the broker has them.

        Args:
            messages: in their order.

        Returns:
            Those that it refuses for good, by their place, and why.

        Raises:
            GenAICostError: if it is not known that it has them.
        """
        ...

    def close(self) -> None:
        """Let go of the connection. It may be called twice."""
        ...


class Consumer(Protocol):
    """Reads the topic, all of it."""

    def begin(self, positions: Mapping[str, str]) -> None:
        """Read from there on; partitions without a position from their start.

        Args:
            positions: by partition, and the notes that `poll` gave.

        Raises:
            GenAICostError: if the topic cannot be reached.
        """
        ...

    def poll(self, limit: int, wait_s: float) -> Polled:
        """What comes next.

        Args:
            limit: how many messages at most.
            wait_s: for how long to wait where there are none yet.

        Raises:
            GenAICostError: if the broker does not answer.
        """
        ...

    def hold(self, delivered: Delivered) -> None:
        """Read a partition no further: that message cannot be read by this version.

        Args:
            delivered: which.
        """
        ...

    def kept(self, positions: Mapping[str, str]) -> None:
        """Take note that these positions are kept durably, where the broker shows how far its readers are.

        Args:
            positions: by partition.
        """
        ...

    def close(self) -> None:
        """Let go of the connection. It may be called twice."""
        ...


class Broker(Protocol):
    """A topic of a broker."""

    @property
    def name(self) -> str:
        """Which topic, under a name that stays while addresses of its broker change: positions are kept under it."""
        ...

    @property
    def place(self) -> str:
        """Which topic of which broker, for people."""
        ...

    def producer(self) -> Producer:
        """What sends to it."""
        ...

    def consumer(self, reader: str) -> Consumer:
        """What reads from it.

        Args:
            reader: who does, where the broker shows how far its readers are.
        """
        ...


def load_broker(name: str, options: Sequence[str]) -> Broker:
    """The broker registered under a name.

    Args:
        name: of the entry point.
        options: what its class takes, each as `key=value`.

    Raises:
        ConfigurationError: if there is none, or an option cannot be used.
        MissingExtraError: if its library is not installed.
    """
    return cast("Broker", load_reached(GROUP, name, options))


def load_reached(group: str, name: str, options: Sequence[str]) -> object:
    """What is registered under a name and takes options of a broker.

    Args:
        group: of entry points.
        name: of the entry point.
        options: what its class takes, each as `key=value`.

    Raises:
        ConfigurationError: if there is none, or an option cannot be used.
    """
    kind = plug_in(group, name, "broker")
    known: Mapping[str, str] = kind.options()
    found = dict(_pair(one, known) for one in options)
    if (key := missing_option(kind, known, found)) is not None:
        raise ConfigurationError(
            f"{name} needs the option {key}", remedy=f"--option {key}=…: {known[key]}"
        )
    reached: object = kind(**found)
    return reached


def _pair(option: str, known: Mapping[str, str]) -> tuple[str, str]:
    key, is_given, value = option.partition("=")
    if not is_given:
        raise ConfigurationError(
            "no option", value=option, where="--option", remedy="write key=value"
        )
    if key not in known:
        raise ConfigurationError(
            "no such option of the broker",
            value=key,
            where="--option",
            remedy=f"use {', '.join(known)}",
        )
    return key, value_at(value, f"the option {key}")
