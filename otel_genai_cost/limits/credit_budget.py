"""Prepaid credit as a limit like a budget's: what was granted is the most that may be spent. Pure."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.hold import Place
from otel_genai_cost.limits.period import ALWAYS, period

__all__ = ["CreditBudget", "credit_budget", "credit_place"]

_ID: Final = "credit"


class CreditBudget(Budget):
    """A tenant's credit in a currency, on the side of the price; `hard` is what was granted and has not expired.

    Its sum is of all time, and it does not begin anew. A hold of which nothing was heard counts until the
    month ends, in UTC.
    """

    __slots__ = ()

    @property
    def series(self) -> str:
        """That of no budget."""
        return _series(self.currency)

    def period_at(self, at_us: int) -> tuple[int, int]:
        """All time, but for when holds end of which nothing was heard."""
        return ALWAYS[0], period("month", "UTC", 1, at_us)[1]


def _series(currency: str) -> str:
    return f"{_ID} {currency}"


def credit_place(tenant: str, currency: str) -> Place:
    """Where the sum of a tenant's holds stands.

    Args:
        tenant: its id.
        currency: of the credit.
    """
    found = credit_budget(tenant, currency, 0)
    return Place(found.series, found.key({"tenant": tenant}) or "", ALWAYS[0])


def credit_budget(tenant: str, currency: str, hard: int) -> CreditBudget:
    """A tenant's credit as a budget.

    Args:
        tenant: its id.
        currency: of the credit.
        hard: what was granted and has not expired, atto.
    """
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
