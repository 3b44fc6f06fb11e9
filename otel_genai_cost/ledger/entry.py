"""The money: signed, append-only entries. Every total anywhere is a SUM over them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

from otel_genai_cost.pricing.cost import Line
from otel_genai_cost.tenancy.attribution import Attribution

__all__ = ["CAUSES", "Entry", "entry_id"]

CAUSES: Final = (
    "charged",
    "enriched",
    "duplicate",
    "reattributed",
    "rerated",
    "reconciled",
    "unlinked",
)


def entry_id(charge_id: str, revision: int, place: int) -> str:
    """32 hex digits; `place` is the entry's place within the revision, reversals first."""
    key = bytes.fromhex(charge_id) + revision.to_bytes(8, "big") + place.to_bytes(4, "big")
    return blake2b(key, digest_size=16).hexdigest()


class Entry(NamedTuple):
    """One signed booking. Times are unix microseconds, UTC; `amount` is atto and equals the sum of its lines.

    `seq` is given by the ledger, gapless from 1. `calls` and `unpriced` are +1, 0 or -1, so that sums over entries
    count charges. `reason` and `quality` speak of the charge after the booking.
    """

    seq: int
    id: str
    charge_id: str
    revision: int
    cause: str
    cause_id: str | None
    occurred_us: int
    booked_us: int
    attribution: Attribution
    service: str | None
    provider: str | None
    model: str | None
    operation: str | None
    reason: str | None
    quality: str
    calls: int
    unpriced: int
    usage: Mapping[str, int]
    lines: tuple[Line, ...]
    amount: int
    currency: str
    book: str | None
    flags: tuple[str, ...] = ()
