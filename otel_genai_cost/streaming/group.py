"""The port: a topic that several workers read together, each some of its partitions, which may change at any time.

Positions are kept by the workers' store, in one step with what came of the messages, never by the broker: when a member
gets a partition it asks where to begin, and a partition that was taken away meanwhile is found out by the store. So an
adapter acknowledges nothing, and may deliver a message to two members at once.

It is registered under `otel_genai_cost.consumer_groups`, with a class that takes options as a broker does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from otel_genai_cost.streaming.broker import Delivered, Polled, load_reached

__all__ = ["GROUP", "ConsumerGroup", "Member", "PositionOf", "load_group"]

GROUP: Final = "otel_genai_cost.consumer_groups"

PositionOf = Callable[[str], "str | None"]
"""From where a partition is to be read, as `Delivered.position` gave it; None for its start."""


class Member(Protocol):
    """One worker's share."""

    @property
    def partitions(self) -> frozenset[str]:
        """Those that it has now."""
        ...

    @property
    def is_share_final(self) -> bool:
        """Whether whoever has the others is alive: those of a member that was killed are given out anew only after a
        while."""
        ...

    def poll(self, limit: int, wait_s: float) -> Polled:
        """What comes next; see `Consumer.poll`. Partitions come and go meanwhile.

        Raises:
            GenAICostError: if the broker does not answer, or the store of positions.
        """
        ...

    def seek(self, partition: str, position: str | None) -> None:
        """Read a partition from there on, if it has it."""
        ...

    def hold(self, delivered: Delivered) -> None:
        """Read a partition no further: that message cannot be read by this version."""
        ...

    def close(self) -> None:
        """Leave the group. It may be called twice."""
        ...


class ConsumerGroup(Protocol):
    """A topic, and who reads it together."""

    @property
    def place(self) -> str:
        """Which topic of which broker, for people."""
        ...

    def member(self, reader: str, position_of: PositionOf) -> Member:
        """Another worker.

        Args:
            reader: the name of the group.
            position_of: asked for each partition that it gets.
        """
        ...


def load_group(name: str, options: Sequence[str]) -> ConsumerGroup:
    """The topic registered under a name. Raises as `streaming.broker.load_broker` does.

    Args:
        name: of the entry point.
        options: what its class takes, each as `key=value`.
    """
    return cast("ConsumerGroup", load_reached(GROUP, name, options))
