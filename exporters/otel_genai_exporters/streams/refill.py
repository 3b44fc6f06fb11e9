"""How often a topic was filled: it forgets nothing, so that its readers tell what counts from what came before."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.streaming.cloud_event import Message

__all__ = ["REFILL", "of_filling"]

REFILL: Final = "ce_refill"
"""The header that says how often the topic was filled before."""


def of_filling(message: Message, refill: int) -> Message:
    """The event as one of a filling.

    Args:
        message: the event.
        refill: how often the topic was filled before.
    """
    return message._replace(headers={**message.headers, REFILL: str(refill).encode()})
