"""One row of revenue, and how much of it is recognised by a time. Pure.

Revenue for a stretch of time is recognised pro rata, by the microsecond. What is recognised from one instant to another
is the difference of what is by each, so that periods that tile the stretch re-add to its amount.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import divide_half_even, format_money

__all__ = ["REVENUE_KINDS", "Revenue", "RevenueKind", "recognised", "revenue_record"]

RevenueKind = Literal["seat", "flat", "usage", "credit"]
"""What is paid for: seats, a period, what was used, or credit, which counts when it is burnt."""

REVENUE_KINDS: Final[tuple[RevenueKind, ...]] = ("seat", "flat", "usage", "credit")


class Revenue(NamedTuple):
    """What a tenant pays for [from, to). Times are unix microseconds.

    Attributes:
        tenant: its id, or an alias of it.
        from_us, to_us: of what time it is the revenue.
        amount: atto, without taxes; below 0 for what is given back.
        currency: ISO 4217.
        kind: of `REVENUE_KINDS`.
        source: where it comes from: `csv`, `stripe` and so on.
        ref: names it; unique. Of a sale of credit that of the grant.
        feature: what alone it is paid for; None where it is for everything.
        seats: how many; None where it is not for seats, or nobody knows.
    """

    tenant: str
    from_us: int
    to_us: int
    amount: int
    currency: str
    kind: RevenueKind
    source: str
    ref: str
    feature: str | None = None
    seats: int | None = None

    @property
    def digest(self) -> str:
        """Stands for all that it says: one that comes again under its ref is the same, or a contradiction."""
        return blake2b(repr(tuple(self)).encode(), digest_size=16).hexdigest()


def recognised(amount: int, from_us: int, to_us: int, since_us: int, until_us: int) -> int:
    """What of an amount is recognised in [since, until), in atto.

    Args:
        amount: for all of [from, to), of some length.
        from_us, to_us: unix microseconds.
        since_us, until_us: likewise; what is outside of [from, to) is nothing.
    """
    length = to_us - from_us

    def by(us: int) -> int:
        return divide_half_even(amount * (min(max(us, from_us), to_us) - from_us), length)

    return by(until_us) - by(since_us) if since_us < until_us else 0


def revenue_record(row: Revenue) -> dict[str, Any]:
    """A row as JSON."""
    return {
        "ref": row.ref,
        "tenant": row.tenant,
        "from": rfc3339(row.from_us),
        "to": rfc3339(row.to_us),
        "amount": format_money(row.amount),
        "currency": row.currency,
        "kind": row.kind,
        "source": row.source,
        "feature": row.feature,
        "seats": row.seats,
    }
