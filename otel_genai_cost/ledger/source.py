"""The port: where observations come from beside journals, such as a topic of a broker.

What a source gives is ingested in one transaction with how far it is read, so that whatever is killed in between, the
ledger goes on right behind what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.garbage import no_garbage_collection
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["KeepsBooks", "Source", "Taken", "drawn"]


class Taken(NamedTuple):
    """What a source gives at a time.

    Attributes:
        records: as journals have them.
        notes: what the ledger is to note about the source in the same transaction.
        books: price books that came with them: their locks, by digest.
        at_end: whether that was all there is for now.
        unlinked: ids of observations that stand alone from now on.
    """

    records: Sequence[dict[str, Any]] = ()
    notes: Mapping[str, str] = {}
    books: Mapping[str, bytes] = {}
    at_end: bool = True
    unlinked: Sequence[str] = ()


class Source(Protocol):
    """Where observations come from. Any method may raise GenAICostError; what is not kept comes again then."""

    def take(self, ledger: Ledger) -> Taken:
        """What comes next.

        Args:
            ledger: that keeps it, and has noted how far it is.
        """
        ...

    def kept(self) -> None:
        """What was taken last is kept."""
        ...

    @property
    def unread(self) -> int:
        """How much of it cannot be read by this version, or was lost since the last start; it was logged."""
        ...

    def lost(self, ledger: Ledger) -> int:
        """How many observations the ledger knows to be lost on their way, at most.

        Args:
            ledger: that was fed.
        """
        ...

    def close(self) -> None:
        """Let go of what is kept open; `take` begins again from what the ledger has noted. It may be called twice."""
        ...


class KeepsBooks(Protocol):
    """Where price books are kept that came with observations."""

    def keep_lock(self, digest: str, lock: bytes) -> None:
        """Keep one.

        Args:
            digest: of its lock.
            lock: of it.
        """
        ...


def drawn(
    source: Source,
    ledger: Ledger,
    books: KeepsBooks,
    clock_us: Callable[[], int],
    ripe_after_us: int,
    stop: Callable[[], bool],
) -> int:
    """Ingest what a source has, each batch in one transaction with how far it is read.

    Args:
        source: what is read.
        ledger: that keeps it.
        books: where price books go, which come before what names them.
        clock_us: the time, unix microseconds.
        ripe_after_us: how long after its end, or its ingestion if that was earlier, an observation is settled.
        stop: whether to end after the batch at hand.

    Returns:
        The number of new observations.

    Raises:
        GenAICostError: if the source cannot be read, or what it gave not be kept; what was kept before stays.
    """
    new = 0
    try:
        while not stop():
            with no_garbage_collection():
                taken = source.take(ledger)
                for digest, lock in taken.books.items():
                    books.keep_lock(digest, lock)
                new += _kept(taken, ledger, clock_us(), ripe_after_us)
            source.kept()
            if taken.at_end:
                break
    except GenAICostError:
        source.close()  # it has gone past what was not kept, and begins anew from what the ledger has noted
        raise
    return new


def _kept(taken: Taken, ledger: Ledger, now_us: int, ripe_after_us: int) -> int:
    """Keep a batch and how far it goes, together or not at all; how many observations were new."""
    with ledger.transaction():
        new = ledger.ingest(taken.records, now_us, ripe_after_us, is_own=False)
        for one in taken.unlinked:
            ledger.unlink(one, now_us)
        for key, value in taken.notes.items():
            ledger.note(key, value)
    return new
