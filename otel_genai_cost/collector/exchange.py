"""The life of a request, the same by gRPC and by HTTP: let in, priced and journalled, passed on, answered.

A request is journalled before it goes on, and goes on only if all of its calls are. Whoever sends one again, because
the receiver did not take it, is charged once: the observations are the same.
"""

from __future__ import annotations

from time import perf_counter
from typing import Protocol

from otel_genai_cost.collector.answer import (
    COME_AGAIN,
    INVALID_ARGUMENT,
    NOT_JOURNALLED,
    Answer,
    Metadata,
)
from otel_genai_cost.collector.traffic import Protocols, Traffic
from otel_genai_cost.errors import JournalError
from otel_genai_cost.transport.room import FullError, Room, Stay

__all__ = ["Exchange", "Passing", "Sender"]


class Passing(Protocol):
    """What is done with a request before it goes on: it is priced (`hop`), or only read (`tap`). Safe for threads."""

    def passed_on(self, request: bytes, metadata: Metadata) -> bytes:
        """What goes on.

        Args:
            request: An ExportTraceServiceRequest in protobuf.
            metadata: What its sender said beside it.

        Raises:
            ValueError: if it is no such request.
            JournalError: if a call of it could not be journalled, and is to come again.
        """
        ...


class Sender(Protocol):
    """What brings requests to the receiver. Safe for threads."""

    def send(self, request: bytes, metadata: Metadata, timeout_s: float) -> Answer:
        """Send a request, and wait for its answer.

        Args:
            request: An ExportTraceServiceRequest in protobuf.
            metadata: What its sender said beside it, as far as that is for the receiver.
            timeout_s: How long to wait.
        """
        ...

    def close(self) -> None:
        """End all connections."""
        ...


class Exchange:
    """Takes requests, and answers them.

    Args:
        hop: Prices or reads them.
        sender: Brings them to the receiver.
        room: Is there for so many.
        timeout_s: How long the receiver may take for one.

    Attributes:
        traffic: What has come by.
    """

    def __init__(
        self, hop: Passing, sender: Sender, room: Room, *, timeout_s: float = 30.0
    ) -> None:
        self.room, self.traffic = room, Traffic()
        self._hop, self._sender, self._timeout_s = hop, sender, timeout_s

    def answer(
        self,
        protocol: Protocols,
        stay: Stay,
        request: bytes,
        metadata: Metadata,
        left_s: float | None = None,
    ) -> Answer:
        """Price a request, pass it on, and say what is to be answered.

        Args:
            protocol: By which it came.
            stay: Its part of the room, which has its bytes already.
            request: An ExportTraceServiceRequest in protobuf.
            metadata: What its sender said beside it.
            left_s: How long its sender will wait; None if it did not say.
        """
        try:
            stay.enter()
        except FullError:
            return self.refused(protocol, COME_AGAIN)
        answer = self._passed(request, metadata, left_s)
        self.traffic.note(protocol, answer.code, len(request))
        return answer

    def refused(self, protocol: Protocols, answer: Answer) -> Answer:
        """The answer to a request that was not let in, or is none; it is counted.

        Args:
            protocol: By which it came.
            answer: What it is told.
        """
        self.traffic.note(protocol, answer.code, 0)
        return answer

    def close(self) -> None:
        """End all connections to the receiver."""
        self._sender.close()

    def _passed(self, request: bytes, metadata: Metadata, left_s: float | None) -> Answer:
        began = perf_counter()
        try:
            priced = self._hop.passed_on(request, metadata)
        except ValueError as error:
            return Answer(INVALID_ARGUMENT, f"no export request: {error}")
        except JournalError:
            return NOT_JOURNALLED
        passed = perf_counter()
        timeout_s = self._timeout_s if left_s is None else min(left_s, self._timeout_s)
        answer = self._sender.send(priced, metadata, timeout_s)
        self.traffic.note_times(passed - began, perf_counter() - passed)
        return answer
