"""The Pulsar sink: every entry of the ledger once, keyed by its charge, as a CloudEvent.

Pulsar's client has no transactions, so it is done with what it has. While a producer lives, the cluster leaves out what
the client sends again, for which deduplication must be on: that is tried before anything is sent. Whoever takes over
fences off the producer before it, reads the position, which is the last message of a topic beside and says where each
partition ended then, and whatever came after that: those entries are there, the others are sent. Durable subscriptions
keep both from being deleted.

A topic forgets nothing: after `reset` the entries come again, with the ids that they had; `ce_source` names their
ledger, and `ce_refill` says how often the topic was filled before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_cost.streaming.cloud_event import Message, entry_in, event_in, source_of
from otel_genai_exporters.streams.pulsar_client import (
    OPTIONS,
    TOO_LARGE,
    Address,
    Connection,
    address_in,
    address_of,
    message_of,
)
from otel_genai_exporters.streams.refill import REFILL
from otel_genai_exporters.streams.topic_sink import KEY, POSITION, TopicSink

__all__ = ["PulsarSink"]

_SUBSCRIPTION: Final = "genai-cost.sink"
_NOTHING: Final = Address(-1, -1, -1)
_READ_WITHIN_MS: Final = 15_000
_WHY: Final = "it is larger than the cluster takes (its maxMessageSize)"


class _State(NamedTuple):
    """What the topic of positions says.

    Attributes:
        mark: the last entry up to which all are there.
        refill: how often the topic was filled before.
        ends: where each partition ended then, by its number.
    """

    mark: Mark | None = None
    refill: int = 0
    ends: Mapping[str, Address] = {}


class _Writer(NamedTuple):
    """What whoever has the topic holds of it.

    Attributes:
        entries, positions: producers.
        held: consumers of each partition, by its number, and of the positions, under the name `position`: what they do
            not let go is not deleted.
        numbers: by which the cluster knows what comes again.
    """

    entries: Any
    positions: Any
    held: Mapping[str, Any]
    numbers: Iterator[int]


class PulsarSink(TopicSink):
    """Entries as events on a topic.

    Args:
        path: a file for what is rejected.
        topic: which.
        key: by what messages are keyed: `charge` or `tenant`.
        options: how it is reached, see `OPTIONS`.

    Raises:
        ConfigurationError: if an option cannot be used.
        MissingExtraError: without pulsar-client.
    """

    def __init__(self, path: Path, topic: str, key: str = "charge", **options: str) -> None:
        super().__init__(path, key)
        self._connection = Connection(topic, **options)
        self._positions = f"{self._connection.topic}{POSITION}"
        self._writer: _Writer | None = None
        self._state = _State()
        self._last_id: Any = None
        """Of the message of the position."""
        self._there: set[tuple[str, str]] = set()
        """The sources and ids of entries after the position that are there."""
        self._own: str | None = None
        """The ledger whose position was noted by this sink."""
        self._fenced = ""

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What each option means."""
        return {**OPTIONS, **KEY}

    @property
    def endpoint(self) -> str:
        return self._connection.place

    @property
    def refill(self) -> int:
        return self._state.refill

    def mark(self) -> Mark | None:
        return (self._last()[0] if self._writer is None else self._state).mark

    def close(self) -> None:
        """Let go of the producers; whoever opens the topic next finds out how far they came."""
        self._abandon()

    def _entries(self, upto_seq: int) -> list[Entry]:
        """Those of the mark's ledger, of this filling, in order."""
        state, _ = self._last()
        if state.mark is None:
            return []
        refill, source = str(state.refill).encode(), source_of(state.mark.ledger_id).encode()
        found: list[Entry] = []
        for topic in self._connection.partitions():
            for one in self._read(topic, self._connection.library.MessageId.earliest, False):
                message = message_of(one)
                ours = (message.headers.get(REFILL), message.headers.get("ce_source"))
                if ours == (refill, source):
                    found.append(entry_in(event_in(message)))
        return sorted(found, key=lambda entry: entry.seq)

    # --- batches ---

    def _deliver(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        source = source_of(ledger_id)
        sent = [entry for entry in entries if (source, entry.id) not in self._there]
        answers, ids = self._sent([self._message(ledger_id, one) for one in sent])
        refused = [one for one, said in zip(sent, answers, strict=True) if said == TOO_LARGE]
        if refused:
            self._there |= {(source, entry.id) for entry in entries if entry not in refused}
            before = [entry.seq for entry in entries if entry.seq < refused[0].seq]
            if before:
                self._put(self._state._replace(mark=Mark(ledger_id, before[-1])))
            raise self._refusal(refused[0], _WHY)
        self._put(_State(Mark(ledger_id, entries[-1].seq), self.refill, self._ends(ids)))
        self._there.clear()
        self._let_go(ids)

    def _send(self, message: Message) -> str:
        (said,), _ = self._sent([message])
        return _WHY if said == TOO_LARGE else ""

    def _move(self, mark: Mark | None, refill: int) -> None:
        self._put(self._state._replace(mark=mark, refill=refill))

    def _sent(self, messages: Sequence[Message]) -> tuple[list[str], list[Any]]:
        """What became of messages. Raises GenAICostError where that is not known of one."""
        assert self._writer is not None
        writer = self._writer
        try:
            answers, ids = self._connection.send(writer.entries, messages, writer.numbers)
        except GenAICostError:
            self._abandon()
            raise
        for said in answers:
            if said not in ("Ok", TOO_LARGE):
                self._failed(said)
        known = zip(answers, ids, strict=True)
        if any(said == "Ok" and address_of(one) <= _NOTHING for said, one in known):
            self._failed("some of it is said to have come before")  # looked for by who begins again
        return answers, ids

    def _ends(self, ids: Sequence[Any]) -> dict[str, Address]:
        """Where each partition ends once these messages are there; one that was refused says nothing."""
        ends = dict(self._state.ends)
        for one in ids:
            partition, address = str(max(one.partition(), 0)), address_of(one)
            ends[partition] = max(address, ends.get(partition, _NOTHING))
        return ends

    def _let_go(self, ids: Sequence[Any]) -> None:
        """Let what stands before a position be deleted."""
        assert self._writer is not None
        last = {str(max(one.partition(), 0)): one for one in ids if address_of(one) > _NOTHING}
        with self._connection.asking("does not take note of a position"):
            for partition, one in last.items():
                if (held := self._writer.held.get(partition)) is not None:
                    held.acknowledge_cumulative(one)

    def _put(self, state: _State) -> None:
        """Note a position; the one before it may be deleted then."""
        assert self._writer is not None
        number, said = next(self._writer.numbers), Message(_json_of(state), {})
        answers, ids = self._connection.send(self._writer.positions, [said], [number])
        if answers != ["Ok"]:
            self._failed(answers[0])
        before, self._state, self._last_id = self._last_id, state, ids[0]
        self._own = state.mark.ledger_id if state.mark else None
        if before is not None:
            with self._connection.asking("does not take note of a position"):
                self._writer.held["position"].acknowledge_cumulative(before)

    def _failed(self, said: str) -> None:
        """Nothing is known of a batch: begin again from what the topic says. Raises GenAICostError."""
        self._abandon()
        raise GenAICostError(f"{self.endpoint}: a batch was not taken: {said}; see that it is up")

    # --- who has the topic ---

    def _take_over(self) -> None:
        if self._fenced:
            raise GenAICostError(self._fenced)
        if self._writer is None:
            try:
                self._writer = self._opened()
            except GenAICostError:
                self._abandon()
                raise

    def _opened(self) -> _Writer:
        connection = self._connection
        topics = {str(number): one for number, one in enumerate(connection.partitions())}
        held = {name: self._subscription(topic) for name, topic in topics.items()}
        mode = connection.library.ProducerAccessMode.ExclusiveWithFencing
        entries = connection.producer(connection.topic, batching_enabled=True, access_mode=mode)
        positions = connection.producer(self._positions, access_mode=mode)
        state, self._last_id = self._last()
        self._check(state)
        with connection.asking("cannot be read"):
            ends = {
                name: state.ends.get(name) or address_of(one.get_last_message_id())
                for name, one in held.items()
            }
        self._state = state._replace(ends=ends)
        self._there = {one for name, end in ends.items() for one in self._after(topics[name], end)}
        numbers = count(1)
        held["position"] = self._subscription(self._positions)
        self._try(positions, next(numbers))
        return _Writer(entries, positions, held, numbers)

    def _check(self, found: _State) -> None:
        """Raise where another ledger has the topic by now: two would fill it anew in turns."""
        if self._own is not None and found.mark is not None and found.mark.ledger_id != self._own:
            self._fenced = (
                f"{self.endpoint}: the ledger {found.mark.ledger_id} has taken it over, and this one is fenced off; "
                "one ledger feeds a topic: stop one of them, then start this one again"
            )
            raise GenAICostError(self._fenced)

    def _subscription(self, topic: str) -> Any:
        """What keeps messages of a topic from being deleted. Several may hold it; it receives nothing."""
        library = self._connection.library
        with self._connection.asking("cannot be read"):
            return self._connection.client.subscribe(
                topic,
                _SUBSCRIPTION,
                consumer_type=library.ConsumerType.Failover,
                initial_position=library.InitialPosition.Latest,
                receiver_queue_size=1,
            )

    def _try(self, positions: Any, number: int) -> None:
        """Note the position twice, which the cluster must notice."""
        said = Message(_json_of(self._state), {})
        answers, ids = self._connection.send(positions, [said, said], [number, number])
        if answers != ["Ok", "Ok"]:
            self._failed(" and ".join(answers))
        if address_of(ids[1]) > _NOTHING:
            raise GenAICostError(
                f"{self.endpoint}: its namespace does not deduplicate, so a batch that the client sends again would "
                "count twice; turn it on: pulsar-admin namespaces set-deduplication --enable TENANT/NAMESPACE"
            )
        self._last_id = ids[0]

    def _last(self) -> tuple[_State, Any]:
        """The position that the topic of positions ends with, and the id of its message."""
        one = None
        for one in self._read(self._positions, self._connection.library.MessageId.latest, True):
            pass
        return (_State(), None) if one is None else (_state_in(one.data()), one.message_id())

    def _after(self, topic: str, end: Address) -> Iterator[tuple[str, str]]:
        """The sources and ids of entries of this filling that stand after an address."""
        refill = str(self._state.refill).encode()
        start = self._connection.library.MessageId(-1, *end) if end > _NOTHING else None
        for one in self._read(topic, start or self._connection.library.MessageId.earliest, False):
            headers = message_of(one).headers
            if headers.get(REFILL) == refill:
                yield headers["ce_source"].decode(), headers["ce_id"].decode()

    def _read(self, topic: str, start: Any, is_inclusive: bool) -> Iterator[Any]:
        """The messages of a topic up to its end."""
        connection = self._connection
        with connection.asking("cannot be read"):
            reader = connection.client.create_reader(
                topic, start, start_message_id_inclusive=is_inclusive
            )
            try:
                while reader.has_message_available():
                    yield reader.read_next(_READ_WITHIN_MS)
            finally:
                reader.close()

    def _abandon(self) -> None:
        self._writer = None
        self._connection.close()


def _json_of(state: _State) -> bytes:
    mark = state.mark._asdict() if state.mark else {}
    ends = {partition: str(end) for partition, end in state.ends.items()}
    return json.dumps({**mark, "refill": state.refill, "ends": ends}).encode()


def _state_in(said: bytes) -> _State:
    found = json.loads(said)
    mark = Mark(found["ledger_id"], found["seq"]) if "ledger_id" in found else None
    ends = {name: address_in(end) or _NOTHING for name, end in found["ends"].items()}
    return _State(mark, found["refill"], ends)
