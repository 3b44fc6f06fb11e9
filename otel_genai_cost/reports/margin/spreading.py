"""Cost that is no customer's, spread over customers by a rule that is declared. Pure; the parts re-add exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from otel_genai_cost.pricing.money import split_largest_remainder

__all__ = ["MONEY_RULES", "SPREAD_RULES", "SpreadRule", "places", "shares", "weight", "within"]

SpreadRule = Literal["cost", "calls", "revenue", "evenly"]
SPREAD_RULES: Final[tuple[SpreadRule, ...]] = ("cost", "calls", "revenue", "evenly")
"""By what each has: its own cost, its calls, its revenue as far as that is known, or the same for each."""

MONEY_RULES: Final[frozenset[SpreadRule]] = frozenset(("cost", "revenue"))
"""Those by which a weight is money, atto; by the others it is a count."""


def shares(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """A total, split by weights so that the parts re-add; units left over go to the largest remainders, by name on
    ties.

    Args:
        total: to be split.
        weights: of each name; what is below 0 counts as 0.

    Returns:
        Nothing where no weight is above 0: there is nobody to bear it by that rule.
    """
    names = sorted(weights)
    sizes = [max(weights[name], 0) for name in names]
    if not any(sizes):
        return {}
    return dict(zip(names, split_largest_remainder(total, sizes), strict=True))


def weight(rule: SpreadRule, *, cost: int, calls: int, revenue: int) -> int:
    """What somebody bears a part by.

    Args:
        rule: of `SPREAD_RULES`.
        cost: its own.
        calls: likewise.
        revenue: as far as it is known.
    """
    return {"cost": cost, "calls": calls, "revenue": revenue, "evenly": 1}[rule]


def within(part: int, costs: Sequence[int], calls: Sequence[int]) -> tuple[int, ...]:
    """A tenant's part, over what it is kept by: by cost, else by calls, else evenly.

    Args:
        part: to be split.
        costs: of each, at least one.
        calls: likewise.
    """
    return places(part, (costs, calls), len(costs))


def places(total: int, weights: Sequence[Sequence[int]], count: int) -> tuple[int, ...]:
    """A total, split over so many places by the first of some weights that is not 0 everywhere, else evenly.

    Args:
        total: to be split.
        weights: each of all places; what is below 0 counts as 0.
        count: how many places there are, at least one.
    """
    for each in weights:
        sizes = [max(size, 0) for size in each]
        if any(sizes):
            return split_largest_remainder(total, sizes)
    return split_largest_remainder(total, [1] * count)
