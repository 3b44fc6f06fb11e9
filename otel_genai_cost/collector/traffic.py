"""What has come by a hop, counted for whoever looks after it."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import Final, Literal, TypeAlias

from otel_genai_cost.collector.answer import code_word

__all__ = ["Protocols", "Traffic"]

Protocols: TypeAlias = Literal["grpc", "http"]

_NOTHING: Final = 0.0


class Traffic:
    """Counts of a hop. Safe for threads.

    Attributes:
        answers: Requests, by protocol and the word for the answer's code.
        received_bytes: Of requests that were let in, unpacked, by protocol.
        pricing_s: How long the hop took for them, together.
        receiver_s: How long the receiver took.
    """

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str]] = Counter()
        self.received_bytes: Counter[str] = Counter()
        self.pricing_s = self.receiver_s = _NOTHING
        self._lock = Lock()

    def note(self, protocol: Protocols, code: int, size_bytes: int) -> None:
        """Count a request by its answer.

        Args:
            protocol: By which it came.
            code: Of its answer.
            size_bytes: Its own; 0 if it was not let in.
        """
        with self._lock:
            self.answers[protocol, code_word(code)] += 1
            self.received_bytes[protocol] += size_bytes

    def counted(self) -> dict[tuple[str, str], int]:
        """The answers as they are now."""
        with self._lock:
            return dict(self.answers)

    def note_times(self, pricing_s: float, receiver_s: float) -> None:
        """Add what a request took.

        Args:
            pricing_s: The hop.
            receiver_s: The receiver.
        """
        with self._lock:
            self.pricing_s += pricing_s
            self.receiver_s += receiver_s
