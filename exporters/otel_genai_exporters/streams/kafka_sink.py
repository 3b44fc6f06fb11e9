"""The Kafka sink: every entry of the ledger once, keyed by its charge, as a CloudEvent.

Entries and the position after them are one transaction, so that who reads committed messages sees each batch once or
not at all. The position is the last record of a compacted topic beside. The transactional id belongs to the topic:
whoever opens it ends what another writer has begun, and is fenced off in turn if that one comes back and writes.

A topic forgets nothing: after `reset` the entries come again, with the ids that they had; `ce_source` names their
ledger, and `ce_refill` says how often the topic was filled before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import FormatTooNewError, GenAICostError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_cost.streaming.cloud_event import (
    ForeignMessageError,
    Message,
    entry_in,
    event_in,
    source_of,
)
from otel_genai_exporters.streams.kafka_client import (
    OPTIONS,
    REFUSED,
    SENT_WITHIN_S,
    Topic,
    code_of,
    kafka_error,
    library,
    make_topic,
    said_of,
)
from otel_genai_exporters.streams.kafka_reading import every_message
from otel_genai_exporters.streams.topic_sink import KEY, POSITION, TopicSink

__all__ = ["KafkaSink"]

_FENCED: Final = frozenset({"_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"})


class _RefusedError(GenAICostError):
    """A broker refuses some of a batch for good."""


class KafkaSink(TopicSink):
    """Entries as events on a topic.

    Args:
        path: a file for what is rejected.
        servers, topic: which.
        key: by what messages are keyed: `charge` or `tenant`.
        options: how it is reached, see `OPTIONS`.

    Raises:
        ConfigurationError: if an option cannot be used.
        MissingExtraError: without confluent-kafka.
    """

    def __init__(
        self, path: Path, servers: str, topic: str, key: str = "charge", **options: str
    ) -> None:
        super().__init__(path, key)
        self.topic = Topic.of(servers, topic, options)
        self._positions = f"{self.topic.name}{POSITION}"
        self._producer: Any = None
        self._known: tuple[Mark | None] | None = None
        self._written: tuple[Mark | None] | None = None
        self._fenced = ""
        self._refill = 0

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What each option means."""
        return {**OPTIONS, **KEY}

    @property
    def endpoint(self) -> str:
        return self.topic.place

    def mark(self) -> Mark | None:
        if self._known is None:
            self._known = (self._last(),)
        return self._known[0]

    @property
    def refill(self) -> int:
        return self._refill

    def close(self) -> None:
        """Let go of the producer; what it has not committed is undone by the broker."""
        self._abandon()

    # --- batches ---

    def _deliver(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        """Send a batch, in halves where it is not taken whole; the position stands before one that never is."""
        if not entries:
            return
        messages = [self._message(ledger_id, entry) for entry in entries]
        try:
            self._transact(messages, Mark(ledger_id, entries[-1].seq))
        except _RefusedError as error:
            if len(entries) == 1:
                raise self._refusal(entries[0], str(error)) from None
            half = len(entries) // 2
            self._deliver(ledger_id, entries[:half])
            self._deliver(ledger_id, entries[half:])

    def _send(self, message: Message) -> str:
        try:
            self._transact([message], self.mark())
        except _RefusedError as error:
            return str(error)
        return ""

    def _move(self, mark: Mark | None, refill: int) -> None:
        self._refill = refill
        self._transact((), mark)

    def _transact(self, messages: Iterable[Message], mark: Mark | None) -> None:
        """Messages and a position, together or not at all. Raises _RefusedError if the broker refuses one for good."""
        self._take_over()
        producer = self._producer
        place = {} if mark is None else mark._asdict()
        said = json.dumps({**place, "refill": self._refill}).encode()
        try:
            producer.begin_transaction()
            for message in messages:
                key = message.key.encode("utf-8", "replace")
                self._produce(producer, self.topic.name, message.value, key, message.headers)
            self._produce(producer, self._positions, said, self.topic.name.encode(), {})
            if producer.flush(SENT_WITHIN_S):
                self._failed("it was not durable in time")
            producer.commit_transaction(SENT_WITHIN_S)  # which fails if a message did
        except library().KafkaException as error:
            self._failed(error)
        self._known = self._written = (mark,)

    def _produce(
        self,
        producer: Any,
        name: str,
        value: bytes,
        key: bytes,
        headers: Mapping[str, bytes],
    ) -> None:
        """Hand a message over. Nothing is called back: a fatal error is raised from wherever the library calls back,
        over what that raises itself."""
        due_s = time.monotonic() + SENT_WITHIN_S
        while True:
            try:
                producer.produce(name, value, key, headers=list(headers.items()))
                return
            except BufferError:
                producer.poll(0.1)
                if time.monotonic() > due_s:
                    self._failed("it takes no more")

    def _failed(self, error: object) -> None:
        """Nothing is known of the batch: begin again from what the topic says, with another producer. Raises
        GenAICostError; _RefusedError if a message of it will never be taken."""
        self._abandon()
        if code_of(error) in REFUSED:
            raise _RefusedError(said_of(error))
        is_fenced = code_of(error) in _FENCED and self._written is not None
        if is_fenced and (self._last(),) != self._written:
            self._fenced = (
                f"{self.endpoint}: another writer has taken it over, and this one is fenced off; one ledger feeds a "
                "topic: stop one of them, then start this one again"
            )
            raise GenAICostError(self._fenced)
        raise kafka_error(self.topic, "a batch was not committed", error)

    # --- the clients ---

    def _take_over(self) -> None:
        """Have a producer. What another has begun is ended before, and the position read after that."""
        if self._fenced:
            raise GenAICostError(self._fenced)
        if self._producer is None:
            make_topic(self.topic, self.topic.name)
            make_topic(self.topic, self._positions, 1, cleanup_policy="compact")
            producer = self.topic.client(
                "Producer",
                transactional_id=f"genai-cost.{self.topic.name}",
                transaction_timeout_ms=60_000,
                enable_idempotence=True,
                compression_type="zstd",
                linger_ms=20,
            )
            try:
                producer.init_transactions(SENT_WITHIN_S)
            except library().KafkaException as error:
                raise kafka_error(self.topic, "no transaction can be begun", error) from None
            self._producer = producer
            self._known = (self._last(),)
            if self._written is None:
                self._written = self._known

    def _abandon(self) -> None:
        producer, self._producer, self._known = self._producer, None, None
        if producer is not None:
            producer.purge()
            producer.flush(0.5)

    def _entries(self, upto_seq: int) -> Iterator[Entry]:
        """The entries of the ledger that feeds it which are committed on the topic, in any order."""
        mark = self._last()
        seen = bytearray(max(0, upto_seq) + 1)
        for one in every_message(self.topic) if mark is not None else ():
            headers = {name: value or b"" for name, value in one.headers() or ()}
            if mark is None or headers.get("ce_source") != source_of(mark.ledger_id).encode():
                continue
            with suppress(ForeignMessageError, FormatTooNewError):
                entry = entry_in(event_in(Message(one.value() or b"", headers)))
                if 0 < entry.seq <= upto_seq and not seen[entry.seq]:
                    seen[entry.seq] = 1
                    yield entry

    def _last(self) -> Mark | None:
        """The position that the topic of positions ends with."""
        said: bytes | None = None
        for message in every_message(self.topic._replace(name=self._positions)):
            said = message.value()
        found = json.loads(said or b"{}")
        self._refill = int(found.get("refill", 0))
        if "seq" not in found:
            return None
        return Mark(str(found["ledger_id"]), int(found["seq"]))
