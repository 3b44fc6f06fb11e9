"""A row of the report of margin, and what follows from its sums. Pure; money is atto, shares are of 1e-18."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from otel_genai_cost.pricing.money import ATTO, divide_half_even

__all__ = ["Figures", "percent"]

_HUNDREDTHS: Final = 10_000


class Figures(NamedTuple):
    """What a tenant, a plan or a feature brings and costs, in the report's currency.

    Attributes:
        calls, unpriced: counts.
        own_cost: of its own calls.
        spread: its part of what is nobody's.
        revenue: by kind, as far as it is known.
        unknown: tenants of it whose revenue is unknown, and what they cost is in `unknown_cost`.
        tenants: how many there are.
        covered: of a tenant, for what part of the time its revenue is known.
        seat_revenue: of rows that say for how many seats they are.
        seat_periods: seats by the length of their rows.
        unconverted: atto by currency and whether it is revenue, of what has no exchange rate.
    """

    calls: int
    unpriced: int
    own_cost: int
    spread: int
    revenue: Mapping[str, int]
    unknown: int
    unknown_cost: int
    tenants: int
    covered: Fraction | None
    seat_revenue: int
    seat_periods: Fraction
    unconverted: Mapping[tuple[str, bool], int]

    @property
    def cost(self) -> int:
        """All of it."""
        return self.own_cost + self.spread

    @property
    def known_revenue(self) -> int | None:
        """None where nothing is known of any of it."""
        if self.tenants == self.unknown and not self.revenue:
            return None
        return sum(self.revenue.values())

    @property
    def margin(self) -> int | None:
        """None where any part of it is unknown."""
        if self.known_revenue is None or self.unknown or self.unconverted:
            return None
        return self.known_revenue - self.cost

    @property
    def share(self) -> Fraction | None:
        """Margin of revenue; None where there is no revenue, or a part is unknown."""
        margin, revenue = self.margin, self.known_revenue
        return (
            None if margin is None or revenue is None or revenue <= 0 else Fraction(margin, revenue)
        )

    def is_below(self, target: int) -> bool | None:
        """Whether its margin is below a share of its revenue; None where it is unknown.

        Args:
            target: in 1e-18.
        """
        margin, revenue = self.margin, self.known_revenue
        if margin is None or revenue is None:
            return None
        return margin * ATTO < target * revenue

    def price_at(self, target: int) -> int | None:
        """The least revenue with which its margin is that share; None where its cost is unknown.

        Args:
            target: in 1e-18, below 1.
        """
        if any(not is_revenue for _, is_revenue in self.unconverted):
            return None
        return -(-max(self.cost, 0) * ATTO // (ATTO - target))

    @property
    def seat_price(self) -> int | None:
        """What a seat brings for one time of its rows, such as a month; None where no row says how many there are."""
        if not self.seat_periods:
            return None
        return divide_half_even(
            self.seat_revenue * self.seat_periods.denominator, self.seat_periods.numerator
        )

    def seat_price_at(self, target: int) -> int | None:
        """What it would have to bring for that share, if all other revenue stays as it is.

        Args:
            target: in 1e-18, below 1.
        """
        needed, revenue = self.price_at(target), self.known_revenue
        if not self.seat_periods or needed is None or revenue is None or self.margin is None:
            return None
        of_seats = max(needed - (revenue - self.seat_revenue), 0)
        return -(-of_seats * self.seat_periods.denominator // self.seat_periods.numerator)


def percent(share: Fraction | None) -> int | None:
    """A share in per cent, in 1e-18 rounded half to even to two places."""
    if share is None:
        return None
    hundredths = divide_half_even(share.numerator * _HUNDREDTHS, share.denominator)
    return hundredths * ATTO // 100
