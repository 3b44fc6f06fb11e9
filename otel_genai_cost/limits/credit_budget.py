"""Prepaid credit as a limit like a budget's: what was granted is the most that may be spent. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.hold import Committed, Place
from otel_genai_cost.limits.period import ALWAYS, period

__all__ = ["CreditBudget", "CreditPlaces", "credit_of", "credit_places", "credit_tenant"]

_ID: Final = "credit"
_KEY: Final = "tenant="


class CreditPlaces(NamedTuple):
    """Where the sums of a tenant's credit stand: what was granted and has begun, what expired, and what was burnt,
    beside which its holds are."""

    granted: Place
    expired: Place
    burnt: Place


class CreditBudget(Budget):
    """A tenant's credit in a currency, on the side of the price; `hard` is what was granted and has not expired.

    Its sum is of all time, and it does not begin anew. A hold of which nothing was heard counts until the
    month ends, in UTC.
    """

    __slots__ = ()

    @property
    def series(self) -> str:
        """That of no budget."""
        return f"{_ID} {self.currency}"

    def period_at(self, at_us: int) -> tuple[int, int]:
        """All time, but for when holds end of which nothing was heard."""
        return ALWAYS[0], period("month", "UTC", 1, at_us)[1]


def credit_places(tenant: str, currency: str) -> CreditPlaces:
    """Where the sums of a tenant's credit stand.

    Args:
        tenant: its id.
        currency: of the credit.
    """
    names = (f"{_ID} granted", f"{_ID} expired", _ID)
    return CreditPlaces(*(Place(f"{one} {currency}", _KEY + tenant, ALWAYS[0]) for one in names))


def credit_tenant(place: Place) -> str | None:
    """Whose credit a sum is of; None if it is a budget's."""
    return place.key[len(_KEY) :] if place.series.startswith(f"{_ID} ") else None


def credit_of(
    committed: Callable[[Place], Committed], tenant: str | None, currency: str
) -> CreditBudget | None:
    """What a tenant paid before, as a budget; None where it was granted nothing, and credit does not bind it.

    Args:
        committed: reads a sum.
        tenant: its id; None for nobody.
        currency: of the credit.
    """
    if tenant is None:
        return None
    granted, expired, _ = (committed(one).booked for one in credit_places(tenant, currency))
    return _budget(tenant, currency, granted - expired) if granted else None


def _budget(tenant: str, currency: str, hard: int) -> CreditBudget:
    return CreditBudget(
        id=_ID,
        version=0,
        scope=(("tenant", tenant),),
        period="total",
        zone="UTC",
        anchor=1,
        side="price",
        currency=currency,
        soft=None,
        hard=hard,
        thresholds=(),
        ladder=(),
        on_gate_down="closed",
        allowance=0,
        unknown_price="deny",
        valid_from_us=ALWAYS[0],
        valid_to_us=None,
        recorded_at_us=0,
    )
