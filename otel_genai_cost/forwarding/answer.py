"""What came of a request, and whom a sender asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from otel_genai_cost.forwarding.folder import Life
from otel_genai_cost.forwarding.wire import Part, Refusal

__all__ = ["Answer", "Receiver"]


class Answer(NamedTuple):
    """What came of a request.

    Attributes:
        status: of HTTP; 0 where none came.
        life: who answered; None for one that is no receiver of journals.
        refusal: why it did not take all of it; None if it did.
        retry_after_s: when to come again, if it says so.
        is_first: whether it is the first over a new connection: the receiver may have been restarted, on a volume that
            came back old.
    """

    status: int
    life: Life | None = None
    refusal: Refusal | None = None
    retry_after_s: float | None = None
    is_first: bool = False


class Receiver(Protocol):
    """Where journals go."""

    def send(self, parts: Sequence[Part], seen: Life | None) -> Answer:
        """Send parts of journals, and wait for the answer; never raises for what the other end does.

        Args:
            parts: in their order.
            seen: who answered last, in the latest life that was seen of it.
        """
        ...

    def close(self) -> None:
        """Let go of what is kept open."""
        ...
