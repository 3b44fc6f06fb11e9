"""Holds of calls that went out and of which nothing was heard: whether a final bill has them by now, or never. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from otel_genai_cost.gate.calls import TTL_MAX_S
from otel_genai_cost.limits.hold import Hold
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reconciliation.ours import SLOT_US
from otel_genai_cost.usage.providers import canonical

__all__ = ["is_billed_or_never"]

_SECOND_US: Final = 1_000_000


def is_billed_or_never(hold: Hold, providers: Collection[str], from_us: int, to_us: int) -> bool:
    """Whether all that is known of a lost call lies within what a provider billed for good, and not so close to an end
    that the provider's clock may have it outside.

    Args:
        hold: any.
        providers: whose bill it is, as booked.
        from_us: the first instant that is billed, unix microseconds.
        to_us: the first that is not.
    """
    if hold.state != "lost":
        return False
    asked, answer = json.loads(hold.request), json.loads(hold.answer)
    begun_us = _begun_us(asked, answer)
    return (
        canonical(str(asked.get("provider", ""))) in providers
        and begun_us is not None
        and from_us + SLOT_US <= begun_us
        and hold.expires_us + SLOT_US <= to_us
    )


def _begun_us(asked: dict[str, Any], answer: dict[str, Any]) -> int | None:
    """Before when the call did not go out: as long before the end that it was given first as a hold lasts at most."""
    if "expires_at" not in answer:
        return None
    lasts_s: int = asked.get("ttl_s", TTL_MAX_S) + answer.get("retry_after_s", 0)
    return microseconds(answer["expires_at"]) - lasts_s * _SECOND_US
