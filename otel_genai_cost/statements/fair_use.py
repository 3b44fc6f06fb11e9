"""Fair use: how much of what is included a customer may use before somebody talks to them. Nothing is blocked by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from otel_genai_cost.pricing.money import ATTO, divide_half_even

__all__ = ["PEERS_LEAST", "FairUse", "FairUseRule", "fair_use"]

PEERS_LEAST = 5
"""Of fewer customers no percentile says what is usual."""

_P95 = 95


class FairUseRule(NamedTuple):
    """What is fair: what 95 of 100 customers of the plan do not exceed, or a share of what the customer pays.

    Attributes:
        share: of the plan's revenue, in units of 1e-18; None for the 95th percentile.
    """

    share: int | None = None

    @property
    def name(self) -> str:
        """As it is printed."""
        return "p95" if self.share is None else "share_of_revenue"


class FairUse(NamedTuple):
    """How a customer's use compares with what is fair: cost of the calls, in atto of the plan's currency.

    Attributes:
        rule: which was followed.
        limit: beyond which it is not; None where that cannot be said yet.
        used: by the customer, in the period.
        peers: of how many customers of the plan the limit was worked out.
    """

    rule: str
    limit: int | None
    used: int
    peers: int

    @property
    def is_crossed(self) -> bool:
        """Whether the use is beyond the limit."""
        return self.limit is not None and self.used > self.limit


def fair_use(rule: FairUseRule, used: int, revenue: int, peers: Sequence[int]) -> FairUse:
    """How a customer's use compares with what is fair.

    Args:
        rule: what is fair.
        used: what the customer's calls cost, atto.
        revenue: what the customer pays for the plan in the period, atto.
        peers: what the calls of each customer of the plan cost in the period, this one's among them.

    Returns:
        The percentile is by nearest rank; of fewer than five customers there is none.
    """
    if rule.share is not None:
        return FairUse(rule.name, divide_half_even(revenue * rule.share, ATTO), used, 1)
    ordered = sorted(peers)
    if len(ordered) < PEERS_LEAST:
        return FairUse(rule.name, None, used, len(ordered))
    return FairUse(rule.name, ordered[-(-_P95 * len(ordered) // 100) - 1], used, len(ordered))
