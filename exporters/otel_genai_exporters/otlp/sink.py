"""The sink of events: every entry of the ledger, once acknowledged, in order.

What a receiver takes in part it names by number only. So the request is sent again in halves until the entry is found
that it rejects; the position then stands right before it, and every later entry waits. Nothing is skipped unless a
person says so (`genai-cost sinks set-aside otlp`), and what was set aside is kept and can be sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Rejected
from otel_genai_exporters.otlp.clients import Answer, Client, client_of, endpoint_of
from otel_genai_exporters.otlp.event import body_of
from otel_genai_exporters.otlp.position import Position

__all__ = ["OtlpSink", "RejectedError"]

_logger = logging.getLogger("otel_genai_cost")

_ENTRIES_MAX: Final = 512
_BYTES_MAX: Final = 1_000_000
"""Of bodies in a request: with their attributes below the 4 MiB that gRPC servers take by default."""


class RejectedError(GenAICostError):
    """A receiver rejects an entry for good.

    Args:
        entry: Which.
        message: What the receiver says.
    """

    def __init__(self, entry: Entry, message: str) -> None:
        self.entry, self.message = entry, message
        super().__init__(
            f"{endpoint_of('LOGS')} rejects entry {entry.seq} (event {entry.id}): {message or 'without a reason'}; no "
            "later entry is sent before it is taken, or set aside by `genai-cost sinks set-aside otlp`"
        )


class OtlpSink:
    """Entries as log events, to the receiver that `OTEL_EXPORTER_OTLP_*` name.

    Args:
        path: The file that holds the position.

    Raises:
        ConfigurationError: if one of these variables cannot be used.
        MissingExtraError: without `opentelemetry-exporter-otlp`.
    """

    def __init__(self, path: Path) -> None:
        self._position = Position(path)
        self._client: Client | None = client_of("LOGS")

    @property
    def endpoint(self) -> str:
        return endpoint_of("LOGS")

    def mark(self) -> Mark | None:
        return self._position.mark()

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        mark = self.mark()
        fresh = [entry for entry in entries if mark is None or entry.seq > mark.seq]
        alone = {one.seq for one in self._position.rejected() if not one.is_aside}
        for request in _requests(_events(ledger_id, fresh), alone):
            self._deliver(ledger_id, request)

    def _deliver(self, ledger_id: str, events: Sequence[_Event]) -> None:
        """Send a request, in halves where it is not taken whole, and move the position behind what was acknowledged."""
        answer, entries = self._send(events), [event.entry for event in events]
        if answer.state == "taken":
            if answer.message:
                _logger.warning("%s took all, and says: %s", endpoint_of("LOGS"), answer.message)
            self._position.advance(Mark(ledger_id, entries[-1].seq))
        elif answer.state == "failed":
            raise GenAICostError(f"{endpoint_of('LOGS')} did not take entries: {answer.message}")
        elif len(events) == 1:
            self._position.reject(entries[0], answer.message)
            raise RejectedError(entries[0], answer.message)
        else:
            half = len(events) // 2
            self._deliver(ledger_id, events[:half])
            self._deliver(ledger_id, events[half:])

    def rejected(self) -> list[Rejected]:
        return self._position.rejected()

    def set_aside(self, ledger_id: str) -> Rejected | None:
        waiting = self._position.waiting()
        if waiting is not None:
            self._position.set_aside(ledger_id, waiting.seq)
        return waiting

    def send_again(self, ledger_id: str, entry: Entry) -> str:
        answer = self._send([*_events(ledger_id, [entry])])
        if answer.state != "taken":
            return answer.message or "without a reason"
        self._position.taken(entry.seq)
        return ""

    def _send(self, events: Sequence[_Event]) -> Answer:
        if self._client is None:
            return Answer("failed", 0, "the sink was closed")
        return self._client.send([event.record for event in events], len(events))

    def reset(self) -> None:
        self._position.reset()

    def close(self) -> None:
        """Close the connection; a second time nothing."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


class _Event(NamedTuple):
    """An entry, and the record that the exporter takes for it."""

    entry: Entry
    record: Any
    size: int


def _events(ledger_id: str, entries: Sequence[Entry]) -> Iterator[_Event]:
    from otel_genai_exporters.otlp.records import log_record

    for entry in entries:
        body = body_of(entry)
        yield _Event(entry, log_record(ledger_id, entry, body), len(body))


def _requests(events: Iterable[_Event], alone: Container[int]) -> Iterator[Sequence[_Event]]:
    """The events in their order, as many in a request as receivers take; those of these numbers by themselves."""
    found: list[_Event] = []
    size = 0
    for event in events:
        is_full = len(found) == _ENTRIES_MAX or size + event.size > _BYTES_MAX
        if found and (is_full or found[-1].entry.seq in alone or event.entry.seq in alone):
            yield found
            found, size = [], 0
        found.append(event)
        size += event.size
    if found:
        yield found
