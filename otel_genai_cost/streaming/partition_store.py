"""The port: where workers keep the state of their partitions, and what came of them.

Everything that a batch of messages changes is one commit, with the position after it: state, sums and entries. A commit
names the revision that it follows; if anybody has committed since, it changes nothing. So a worker that was killed,
replaced or doubled changes nothing twice, whatever it still believes to have.

It is registered under `otel_genai_cost.partition_stores`, by the scheme of its address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from otel_genai_cost.streaming.state import State

__all__ = ["STORES", "Commit", "KeysOf", "PartitionStore", "Standing", "Windowed"]

STORES: Final = "otel_genai_cost.partition_stores"


class Standing(NamedTuple):
    """How far a partition is.

    Attributes:
        revision: how often it was committed.
        position: from where it is read on; None for its start.
        terms: by which book and contracts all of its keys were rated again last; "" for none.
    """

    revision: int = 0
    position: str | None = None
    terms: str = ""


class Commit(NamedTuple):
    """What is changed in one step.

    Attributes:
        position: from where it is read on; None where that stays.
        state: by key of the stream, what changed of its state; None for what is gone.
        due: by key, when there is something to do next (unix microseconds); None for never.
        sums: by window (unix microseconds of its beginning) and field, what is added.
        entries: to be sent onward, in order.
        sent: so many of the entries that wait are sent by now.
        refused: what was not taken, as JSON.
        terms: by which book and contracts all keys are rated by now; None where that stays.
    """

    position: str | None = None
    state: Mapping[str, Mapping[str, bytes | None]] = {}
    due: Mapping[str, int | None] = {}
    sums: Mapping[int, Mapping[str, int]] = {}
    entries: Sequence[bytes] = ()
    sent: int = 0
    refused: Sequence[bytes] = ()
    terms: str | None = None


class KeysOf(NamedTuple):
    """Some of the keys of a partition, and where further ones are; None after the last."""

    keys: Sequence[str]
    next_at: str | None


class Windowed(NamedTuple):
    """A window of one partition, and its fields."""

    window_us: int
    fields: Mapping[str, int]


class PartitionStore(Protocol):
    """A store that several workers share. Every method raises GenAICostError if it does not answer."""

    def standing(self, partition: str) -> Standing:
        """How far a partition is."""
        ...

    def states(self, partition: str, keys: Sequence[str]) -> Mapping[str, State]:
        """The states of these keys, to be read."""
        ...

    def due(self, partition: str, by_us: int, limit: int) -> Sequence[str]:
        """Keys with something to do by then, the first due first.

        Args:
            partition: which.
            by_us: unix microseconds.
            limit: how many at most.
        """
        ...

    def keys(self, partition: str, at: str, limit: int) -> KeysOf:
        """Keys of which anything is kept, each at least once if it is there from the first to the last question.

        Args:
            partition: which.
            at: "" for the first; then what the answer before said.
            limit: about how many.
        """
        ...

    def waiting(self, partition: str, limit: int) -> Sequence[bytes]:
        """The first of the entries that are to be sent onward."""
        ...

    def refused(self, partition: str, limit: int) -> Sequence[bytes]:
        """The latest messages that were refused, as JSON with the reason."""
        ...

    def commit(self, partition: str, revision: int, commit: Commit) -> bool:
        """Change all of it, if the partition is still at that revision; whether it was.

        Args:
            partition: which.
            revision: the one that it follows.
            commit: what is changed.
        """
        ...

    def keep_book(self, digest: str, lock: bytes) -> None:
        """Keep a price book."""
        ...

    def book(self, digest: str) -> bytes | None:
        """A price book that was kept."""
        ...

    def windows(self, from_us: int, to_us: int) -> Iterator[Windowed]:
        """The sums of windows that begin in that time (to_us excluded), partition by partition."""
        ...

    def close(self) -> None:
        """Let go of the connection. It may be called twice."""
        ...
