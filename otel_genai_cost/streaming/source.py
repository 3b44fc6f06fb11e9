"""A topic as a source of a ledger: its messages become records, and what is none is set aside with the reason.

How far it is read stands in the ledger, noted in the transaction that ingests. What others have put on the topic is no
reason to stop; an event of a newer version is: its partition waits, until this is upgraded. What the broker deleted
before it was read is noted as a gap, and counted as missing for ever.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from otel_genai_cost.errors import FormatTooNewError, GenAICostError, Seldom
from otel_genai_cost.forwarding.pace import Pace
from otel_genai_cost.ledger.source import Taken
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.storage.validate import is_valid
from otel_genai_cost.streaming.broker import Broker, Consumer, Delivered, Gap
from otel_genai_cost.streaming.cloud_event import (
    ForeignMessageError,
    book_in,
    event_in,
    observed_in,
    record_in,
    unlink_in,
)
from otel_genai_cost.streaming.dead_letters import KEPT_MAX, DeadLetter, DeadLetters

__all__ = ["GAP", "StreamSource"]

_logger = logging.getLogger("otel_genai_cost")

_POSITION: Final = "stream"
GAP: Final = "stream_gap"
"""How the ledger's notes of positions and of gaps begin."""

_AT_ONCE: Final = 5_000
_WAIT_S: Final = 5.0
"""The longest that is waited for the first message, or for the word that there is none."""


class StreamSource:
    """The observations on a topic.

    Args:
        broker: the topic.
        dead_letters: where messages go that are none.
        clock_us: the time, unix microseconds.
    """

    def __init__(
        self,
        broker: Broker,
        dead_letters: DeadLetters,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._broker, self._dead, self._clock_us = broker, dead_letters, clock_us
        self._consumer: Consumer | None = None
        self._positions: dict[str, str] = {}
        self._held: set[str] = set()
        self._found_lost = 0
        self._is_left_alone = False
        self._seldom, self._pace = Seldom(), Pace()

    @property
    def unread(self) -> int:
        return len(self._held) + self._found_lost + (self._is_left_alone and 1)

    def take(self, ledger: Ledger) -> Taken:
        """As `Source.take`.

        Args:
            ledger: that keeps it, and has noted how far it is.
        """
        self._positions = {}
        self._is_left_alone = time.monotonic() < self._pace.due_s
        if self._is_left_alone:  # each attempt holds up the round
            return Taken()
        try:
            polled = self._begun(ledger).poll(_AT_ONCE, _WAIT_S)
        except GenAICostError:
            self._pace.failed(time.monotonic(), None)
            self.close()
            raise
        self._pace.succeeded()
        gaps = {self._key(GAP, one.partition, one.position): self._lost(one) for one in polled.gaps}
        for one in polled.gaps:
            self._positions[one.partition] = one.position
        found = self._read(polled.delivered)
        self._positions.update(polled.notes)
        notes = {self._key(_POSITION, one): at for one, at in self._positions.items()}
        return found._replace(notes={**notes, **gaps}, at_end=polled.at_end)

    def kept(self) -> None:
        if self._consumer is not None:
            self._consumer.kept(self._positions)

    def lost(self, ledger: Ledger) -> int:
        """As `Source.lost`.

        Args:
            ledger: that was fed.
        """
        found = ledger.notes(self._key(GAP, "")).values()
        return sum(json.loads(one)["up_to"] or 1 for one in found)

    def close(self) -> None:
        """Let go of the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _begun(self, ledger: Ledger) -> Consumer:
        if self._consumer is None:
            self._held.clear()
            prefix = self._key(_POSITION, "")
            noted = {key[len(prefix) :]: at for key, at in ledger.notes(prefix).items()}
            self._consumer = self._broker.consumer(f"genai-cost-{ledger.id[:12]}")
            self._consumer.begin(noted)
        return self._consumer

    def _key(self, *parts: str) -> str:
        kind, *rest = parts
        return " ".join((kind, self._broker.name, *rest))

    def _lost(self, gap: Gap) -> str:
        self._found_lost += 1
        _logger.error("%s", gap.message)
        said = {"up_to": gap.up_to, "message": gap.message, "at_us": self._clock_us()}
        return json.dumps(said)

    def _read(self, delivered: Sequence[Delivered]) -> Taken:
        records, books, unlinked = list[dict[str, Any]](), dict[str, bytes](), list[str]()
        foreign: list[DeadLetter] = []
        for one in delivered:
            if one.partition in self._held:
                continue
            try:
                self._take(one, records, books, unlinked)
            except ForeignMessageError as error:
                foreign.append(DeadLetter(self._broker.name, one, str(error), self._clock_us()))
            except FormatTooNewError as error:
                self._hold(one, error)
                continue
            self._positions[one.partition] = one.position
        self._set_aside(foreign)
        return Taken(records, books=books, unlinked=unlinked)

    @staticmethod
    def _take(
        one: Delivered,
        records: list[dict[str, Any]],
        books: dict[str, bytes],
        unlinked: list[str],
    ) -> None:
        event = event_in(one.message)
        if event.kind == "book":
            books[event.id] = book_in(event)
        elif event.kind == "unlink":
            unlinked.append(unlink_in(event).observation_id)
        elif event.kind == "entry":
            raise ForeignMessageError("an entry of a ledger, on a topic of observations")
        elif event.kind == "start":
            records.append(record_in(event))
        else:
            seen = observed_in(event)
            if not is_valid(seen.observation):
                raise ForeignMessageError("an observation that cannot be settled: malformed")
            records.append(seen.record)

    def _hold(self, one: Delivered, error: FormatTooNewError) -> None:
        """Nothing behind it is read: what it says would be missing, or come too late."""
        self._held.add(one.partition)
        if self._consumer is not None:
            self._consumer.hold(one)
        _logger.error(
            "%s waits: %s; what is behind it in partition %s is read then",
            one.place,
            error,
            one.partition,
        )

    def _set_aside(self, foreign: Sequence[DeadLetter]) -> None:
        """Before the position is noted: after a kill in between they are added again, as one."""
        if not foreign:
            return
        dropped, first, kept_in = self._dead.add(foreign), foreign[0], self._dead.path
        if self._seldom.may_say("set aside"):
            _logger.warning(
                "%d message(s) of %s are no observations and were set aside in %s; the first, %s: %s",
                len(foreign),
                self._broker.place,
                kept_in,
                first.delivered.place,
                first.reason,
            )
        if dropped and self._seldom.may_say("dropped"):
            ours, others = self._dead.dropped()
            _logger.error(
                "%s keeps the last %d messages that were set aside of events of ours, and of others' messages: so far "
                "%d of ours and %d of others are gone from it; see who sends them: genai-cost ledger dead-letters",
                kept_in,
                KEPT_MAX,
                ours,
                others,
            )
