"""What is known of one tenant, plan and feature: the smallest part that a report of margin is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Cell", "CellKey"]


class CellKey(NamedTuple):
    """Whose cost or revenue it is.

    Attributes:
        tenant: None for calls without one.
        plan: None where it is unknown.
        feature: None for calls that name none.
        absent: why there is no tenant; None where there is one.
        is_general: revenue that is for all features together.
    """

    tenant: str | None
    plan: str | None
    feature: str | None
    absent: str | None = None
    is_general: bool = False


@dataclass
class Cell:
    """Sums in 1e-36 of the report's currency, but for `spread`, which is atto.

    Attributes:
        calls, unpriced: counts.
        cost: of its own calls.
        spread: of what is nobody's, or the platform's own, its part by the rule.
        revenue: by kind.
        seat_revenue: of rows that say for how many seats they are.
        seat_periods: seats by their rows' lengths: one seat for one row's whole time is 1.
        unconverted: atto, by currency and whether it is revenue, of what has no exchange rate.
    """

    calls: int = 0
    unpriced: int = 0
    cost: int = 0
    spread: int = 0
    revenue: dict[str, int] = field(default_factory=dict[str, int])
    seat_revenue: int = 0
    seat_periods: Fraction = Fraction(0)
    unconverted: dict[tuple[str, bool], int] = field(default_factory=dict[tuple[str, bool], int])

    def add_revenue(self, kind: str, amount: int) -> None:
        """Add to a kind's sum."""
        self.revenue[kind] = self.revenue.get(kind, 0) + amount

    def leave(self, currency: str, amount: int, *, is_revenue: bool) -> None:
        """Note an amount that has no rate.

        Args:
            currency: of the amount.
            amount: atto.
            is_revenue: whether it is revenue, else cost.
        """
        place = currency, is_revenue
        self.unconverted[place] = self.unconverted.get(place, 0) + amount

    def add(self, other: Cell) -> None:
        """Add another cell to this one."""
        self.calls += other.calls
        self.unpriced += other.unpriced
        self.cost += other.cost
        self.spread += other.spread
        self.seat_revenue += other.seat_revenue
        self.seat_periods += other.seat_periods
        for kind, amount in other.revenue.items():
            self.add_revenue(kind, amount)
        for (currency, is_revenue), amount in other.unconverted.items():
            self.leave(currency, amount, is_revenue=is_revenue)
