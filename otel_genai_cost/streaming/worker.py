"""A worker: its partitions of a topic, settled key by key, with state, sums and position in one commit each.

Nothing that is worth anything is in the worker. It reads what a batch is about from the store, settles, and commits; if
somebody else has committed meanwhile, what it worked out is dropped, and it reads on from where the partition is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import FormatTooNewError, GenAICostError
from otel_genai_cost.forwarding.pace import Pace
from otel_genai_cost.journal.codec import decode_any, encode, encode_lossy
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.entry import Entry, entry_of, entry_record
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.streaming.broker import Delivered, Producer
from otel_genai_cost.streaming.cloud_event import (
    ForeignMessageError,
    Observed,
    Unlink,
    book_in,
    entry_message,
    event_in,
    observed_in,
    unlink_in,
)
from otel_genai_cost.streaming.group import ConsumerGroup, Member
from otel_genai_cost.streaming.keyed import Keyed, terms_digest
from otel_genai_cost.streaming.partition import PartitionBy, key_of
from otel_genai_cost.streaming.partition_store import Commit, KeysOf, PartitionStore, Standing
from otel_genai_cost.streaming.state import BufferedState
from otel_genai_cost.streaming.stored_books import StoredBooks
from otel_genai_cost.streaming.sums import sums_of
from otel_genai_cost.streaming.windows import WINDOWS, Windows

__all__ = ["Worked", "Worker", "WorkerOptions"]

_logger = logging.getLogger("otel_genai_cost")

_BATCH: Final = 1_000
_DUE: Final = 500
_LOOKED_AT: Final = 500
_SENT: Final = 1_000
_POLL_S: Final = 0.5
_SHOWN_MAX: Final = 1_000


class WorkerOptions(NamedTuple):
    """How a worker works.

    Attributes:
        name: of the group; workers of one name share a topic and a store.
        by: the key that is settled by.
        window_us: the length of a window of the sums, in microseconds.
        contracts: what customers agreed. Whatever is kept of a key is rated again when they are others.
        rate_by: the book that all of it is rated again with, once; None for none.
        windows: how long what is kept of a key.
        drain: whether to take everything for ripe, and end when all is settled.
    """

    name: str
    by: PartitionBy = "cell"
    window_us: int = 60_000_000
    contracts: Contracts = LIST_PRICES
    rate_by: Book | None = None
    windows: Windows = WINDOWS
    drain: bool = False


class Worked(NamedTuple):
    """What a worker did: observations taken, copies among them, entries committed and sent onward, messages refused,
    starts of calls passed over, commits that came too late, and gaps of the topic."""

    observations: int = 0
    entries: int = 0
    sent: int = 0
    refused: int = 0
    starts: int = 0
    fenced: int = 0
    gaps: int = 0

    def plus(self, **more: int) -> Worked:
        """With so many more."""
        return self._replace(**{name: getattr(self, name) + n for name, n in more.items()})


class _Batch:
    """What a partition's messages say, up to one that only a newer version can read."""

    def __init__(self) -> None:
        self.records: dict[str, list[dict[str, Any]]] = {}
        self.unlinked: dict[str, list[str]] = {}
        self.books: dict[str, bytes] = {}
        self.refused: list[bytes] = []
        self.position: str | None = None
        self.starts = 0
        self.observations = 0
        self.newer: tuple[Delivered, FormatTooNewError] | None = None

    def read(self, delivered: Iterable[Delivered], by: PartitionBy) -> None:
        for one in delivered:
            try:
                self._read(one, by)
            except FormatTooNewError as error:
                self.newer = one, error
                return
            except ForeignMessageError as error:
                self.refuse(str(error), one.message.value, one.place)
            self.position = one.position

    def _read(self, one: Delivered, by: PartitionBy) -> None:
        event = event_in(one.message)
        if event.kind == "book":
            self.books[event.id] = book_in(event)
        elif event.kind == "start":
            self.starts += 1
        elif event.kind == "observation":
            self._observed(one, observed_in(event), by)
        elif event.kind == "unlink":
            self._unlinked(one, unlink_in(event), by)
        else:
            raise ForeignMessageError(f"of the kind {event.kind}, which is no observation")

    def _observed(self, one: Delivered, seen: Observed, by: PartitionBy) -> None:
        key = _key(one, seen.observation.origin.cell, seen.observation.trace_id, by)
        self.observations += 1
        self.records.setdefault(key, []).append(seen.record)

    def _unlinked(self, one: Delivered, unlink: Unlink, by: PartitionBy) -> None:
        key = _key(one, unlink.cell, unlink.trace_id, by)
        self.unlinked.setdefault(key, []).append(unlink.observation_id)

    def refuse(self, reason: str, value: bytes, place: str) -> None:
        shown = value[:_SHOWN_MAX].decode("utf-8", "replace")
        self.refused.append(encode_lossy({"reason": reason, "place": place, "value": shown}))


def _key(one: Delivered, cell: str | None, trace_id: str, by: PartitionBy) -> str:
    """The key by which what a message says is settled."""
    key = key_of(cell, trace_id, by)
    if one.message.key not in (key, key_of(cell, trace_id, "cell")):
        raise ForeignMessageError(
            f"its key is {one.message.key!r} and not {key!r}: whoever sends cuts the stream by another key"
        )
    return key


class Worker:
    """One worker.

    Args:
        group: the topic, and who reads it together.
        store: where everything is kept.
        options: how it works.
        clock_us: the time, in unix microseconds.
        onward: where entries are sent to; None to send none.
    """

    def __init__(
        self,
        group: ConsumerGroup,
        store: PartitionStore,
        options: WorkerOptions,
        clock_us: Callable[[], int],
        onward: Producer | None = None,
    ) -> None:
        self._group, self._store, self._options = group, store, options
        self._clock_us, self._onward = clock_us, onward
        self._books = StoredBooks(store)
        self._terms = terms_digest(options.rate_by, options.contracts)
        self._looked_at: dict[str, str] = {}
        self._standings: dict[str, Standing] = {}
        self._member: Member | None = None
        self.done = Worked()

    def run(self, stop: threading.Event, on_round: Callable[[Worked], None]) -> Worked:
        """Work until it is told to stop, or all is drained. What cannot be reached is tried again.

        Args:
            stop: ends it after the batch at hand.
            on_round: told after each round what all rounds did.
        """
        pace = Pace()
        try:
            while not stop.is_set():
                try:
                    is_done = self.round()
                    pace.succeeded()
                except GenAICostError as error:
                    self.leave()
                    _logger.error("%s; it is tried again", error)
                    pace.failed(time.monotonic(), None)
                    stop.wait(max(0.0, pace.due_s - time.monotonic()))
                    continue
                on_round(self.done)
                if is_done:
                    break
        finally:
            self.leave()
        return self.done

    def leave(self) -> None:
        """Leave the group, and forget how far partitions were."""
        member, self._member = self._member, None
        self._standings.clear()
        self._looked_at.clear()
        if member is not None:
            member.close()

    def round(self) -> bool:
        """What is there now, once; whether all is drained.

        Raises:
            GenAICostError: if broker or store do not answer.
        """
        if self._member is None:
            self._member = self._group.member(self._options.name, self._position_of)
        polled = self._member.poll(_BATCH, _POLL_S)
        for gap in polled.gaps:
            _logger.error("%s", gap.message)
        self._count(gaps=len(polled.gaps))
        delivered: dict[str, list[Delivered]] = {}
        for one in polled.delivered:
            delivered.setdefault(one.partition, []).append(one)
        idle = True
        for partition in sorted(self._member.partitions | delivered.keys()):
            idle = not self._work(self._member, partition, delivered.get(partition, ())) and idle
        has_share = bool(self._member.partitions) and self._member.is_share_final
        return self._options.drain and idle and polled.at_end and has_share

    def _position_of(self, partition: str) -> str | None:
        standing = self._standings[partition] = self._store.standing(partition)
        return standing.position

    def _work(self, member: Member, partition: str, delivered: Sequence[Delivered]) -> bool:
        """One batch of a partition, and what is due; whether there was anything."""
        now_us, drain = self._clock_us(), self._options.drain
        batch = _Batch()
        batch.read(delivered, self._options.by)
        if batch.newer is not None:
            held, error = batch.newer
            _logger.error("%s: %s; the partition is read no further", held.place, error)
            member.hold(held)
        for digest, lock in batch.books.items():
            self._store.keep_book(digest, lock)
        due = self._store.due(partition, now_us + (60_000_000 if drain else 0), _DUE)
        others = self._of_other_terms(partition)
        named = (*batch.records, *batch.unlinked)
        keys = list(dict.fromkeys([*named, *due, *(others.keys if others else ())]))
        if batch.position is None and not keys and others is None:
            return self._send(member, partition)
        entries, commit = self._settled(partition, keys, batch, now_us)
        if others is not None and others.next_at is None:
            commit = commit._replace(terms=self._terms)
        if self._commit(member, partition, commit):
            if others is not None:
                self._looked_at[partition] = others.next_at or ""
            self._count(
                observations=batch.observations,
                entries=len(entries),
                refused=len(commit.refused),
                starts=batch.starts,
            )
        self._send(member, partition)
        return True

    def _of_other_terms(self, partition: str) -> KeysOf | None:
        """Further keys that may have been rated by another book or other contracts; None if none has."""
        standing = self._standings.get(partition) or self._store.standing(partition)
        if standing.terms == self._terms:
            return None
        return self._store.keys(partition, self._looked_at.get(partition, ""), _LOOKED_AT)

    def _settled(
        self, partition: str, keys: Sequence[str], batch: _Batch, now_us: int
    ) -> tuple[list[Entry], Commit]:
        states = self._store.states(partition, keys)
        entries: list[Entry] = []
        changes: dict[str, Mapping[str, bytes | None]] = {}
        due: dict[str, int | None] = {}
        for key in keys:
            state = BufferedState(states[key])
            keyed = Keyed(
                state, self._books.rate_again, self._options.contracts, self._options.windows
            )
            records = batch.records.get(key, ())
            keyed.expect(records)
            for record in records:
                if (why := keyed.take(record, now_us)) is not None:
                    batch.refuse(why, encode_lossy(record), f"{partition} {key}")
            entries += keyed.post(
                self._options.rate_by,
                self._books,
                batch.unlinked.get(key, ()),
                now_us,
                drain=self._options.drain,
            )
            changes[key], due[key] = state.changes(), keyed.due_us()
        onward = entries if self._onward is not None else ()
        commit = Commit(
            position=batch.position,
            state=changes,
            due=due,
            sums=sums_of(entries, self._options.window_us),
            entries=[encode(entry_record(one)) for one in onward],
            refused=batch.refused,
        )
        return entries, commit

    def _commit(self, member: Member, partition: str, commit: Commit) -> bool:
        """Commit; if somebody else has, read on from there."""
        standing = self._standings.get(partition) or self._store.standing(partition)
        if self._store.commit(partition, standing.revision, commit):
            position = standing.position if commit.position is None else commit.position
            terms = standing.terms if commit.terms is None else commit.terms
            self._standings[partition] = Standing(standing.revision + 1, position, terms)
            return True
        self._count(fenced=1)
        self._looked_at.pop(partition, None)
        member.seek(partition, self._position_of(partition))
        return False

    def _send(self, member: Member, partition: str) -> bool:
        """Send entries onward, in the order they were posted; whether there were any."""
        if self._onward is None:
            return False
        waiting = self._store.waiting(partition, _SENT)
        if not waiting:
            return False
        source = f"workers/{self._options.name}/{partition}"
        entries = [entry_of(decode_any(one)) for one in waiting]
        refused = self._onward.send([entry_message(one, source, one.charge_id) for one in entries])
        letters = [
            encode_lossy({"reason": why, "place": entries[at].id}) for at, why in refused.items()
        ]
        if self._commit(member, partition, Commit(sent=len(waiting), refused=letters)):
            self._count(sent=len(waiting) - len(refused), refused=len(refused))
        return True

    def _count(self, **more: int) -> None:
        self.done = self.done.plus(**more)
