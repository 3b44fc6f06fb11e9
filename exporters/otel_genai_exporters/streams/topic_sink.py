"""What sinks on a topic share, whatever its broker: which entries are sent, as what events, and what is rejected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.day_sums import DaySum, day_sums
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Rejected
from otel_genai_cost.streaming.cloud_event import Message, entry_message
from otel_genai_exporters.otlp.position import Position
from otel_genai_exporters.streams.refill import of_filling

__all__ = ["KEY", "POSITION", "TopicSink"]

POSITION: Final = ".position"
"""What the name of the topic of positions ends with."""

KEY: Final[Mapping[str, str]] = {
    "key": "by what messages are keyed: charge, the default, or tenant"
}
"""The option that all of them take."""

_KEYS: Final = ("charge", "tenant")


class TopicSink(ABC):
    """Entries as events on a topic. The position stands on a topic beside, and what is rejected in a file.

    Args:
        path: the file.
        key: by what messages are keyed: `charge` or `tenant`.

    Raises:
        ConfigurationError: if that is no key.
    """

    def __init__(self, path: Path, key: str) -> None:
        if key not in _KEYS:
            raise ConfigurationError(
                "no key of messages",
                value=key,
                where="the option key",
                remedy="use charge or tenant",
            )
        self._key, self._noted = key, Position(path)

    # --- what a broker differs in ---

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """As `Remote.endpoint`."""

    @abstractmethod
    def mark(self) -> Mark | None:
        """As `Sink.mark`."""

    @property
    @abstractmethod
    def refill(self) -> int:
        """How often the topic was filled before, as the position says it."""

    @abstractmethod
    def _take_over(self) -> None:
        """Be the only writer of the topic; what another has begun is known after that."""

    @abstractmethod
    def _deliver(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        """Send entries, and move the position after the last, or before the first that is refused for good."""

    @abstractmethod
    def _send(self, message: Message) -> str:
        """Send one and leave the position where it is; why it is refused for good, "" if it is not."""

    @abstractmethod
    def _move(self, mark: Mark | None, refill: int) -> None:
        """Note a position."""

    @abstractmethod
    def _entries(self, upto_seq: int) -> Iterable[Entry]:
        """The entries that are on the topic, each once, of the ledger that feeds it; those after a number may lack."""

    # --- the sink ---

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        self._take_over()
        mark = self.mark()
        since = mark.seq if mark is not None and mark.ledger_id == ledger_id else 0
        self._deliver(ledger_id, [entry for entry in entries if entry.seq > since])
        if self._noted.waiting() is not None:  # the broker takes by now what it refused
            self._noted.advance(Mark(ledger_id, entries[-1].seq))

    def reset(self) -> None:
        self._take_over()
        self._move(None, self.refill + 1)
        self._noted.reset()

    def days(self, upto_seq: int) -> Iterable[DaySum]:
        """As `Verifiable.days`: all of the topic is read, and each event counted once.

        Args:
            upto_seq: the last entry that counts.
        """
        return day_sums(self._entries(upto_seq), upto_seq)

    def tenant_days(self, upto_seq: int) -> Iterable[DaySum]:
        """As `ByTenant.tenant_days`.

        Args:
            upto_seq: the last entry that counts.
        """
        return day_sums(self._entries(upto_seq), upto_seq, by_tenant=True)

    def rejected(self) -> list[Rejected]:
        return self._noted.rejected()

    def set_aside(self, ledger_id: str) -> Rejected | None:
        waiting = self._noted.waiting()
        if waiting is None:
            return None
        self._take_over()
        mark = self.mark()
        if mark is None or mark.seq < waiting.seq:
            self._move(Mark(ledger_id, waiting.seq), self.refill)
        self._noted.set_aside(ledger_id, waiting.seq)
        return waiting

    def send_again(self, ledger_id: str, entry: Entry) -> str:
        self._take_over()
        why = self._send(self._message(ledger_id, entry))
        if not why:
            self._noted.taken(entry.seq)
        return why

    def _message(self, ledger_id: str, entry: Entry) -> Message:
        key = entry.charge_id if self._key == "charge" else entry.attribution.tenant or ""
        return of_filling(entry_message(entry, ledger_id, key), self.refill)

    def _refusal(self, entry: Entry, why: str) -> GenAICostError:
        """What is raised of an entry that is refused for good, once that is noted."""
        self._noted.reject(entry, why)
        return GenAICostError(
            f"{self.endpoint} refuses entry {entry.seq} (event {entry.id}): {why}; no later entry counts as sent "
            "before it is taken, or set aside by `genai-cost sinks set-aside`"
        )
