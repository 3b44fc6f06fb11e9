"""Tiers: what a quantity comes to where its price depends on how much there is. Pure, exact, rounded at 1e-18."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from otel_genai_cost.pricing.money import ATTO, divide_half_even

__all__ = ["MEASURES", "MODES", "Measure", "Mode", "Step", "TierPart", "Tiers", "tier_parts"]

Mode = Literal["graduated", "volume"]
"""`graduated`: each part of the quantity has the price of its step; `volume`: all of it that of the step that it comes
to."""

Measure = Literal["tokens", "calls", "money"]
"""What is counted: tokens or calls, or what the calls come to before the plan."""

MODES: Final[tuple[Mode, ...]] = ("graduated", "volume")
MEASURES: Final[tuple[Measure, ...]] = ("tokens", "calls", "money")


class Step(NamedTuple):
    """One step.

    Attributes:
        up_to: the last quantity of it; None for the last step. Of money in atto.
        price: atto for `per` units; of money the mark-up on each unit, in units of 1e-18.
        per: for how many units the price is.
        fee: atto, due as soon as the quantity is beyond the step before.
    """

    up_to: int | None
    price: int
    per: int = 1
    fee: int = 0


class Tiers(NamedTuple):
    """The steps of a plan, in ascending order."""

    mode: Mode
    of: Measure
    steps: tuple[Step, ...]


class TierPart(NamedTuple):
    """What of a quantity is in a step, and what that comes to in atto."""

    step: int
    quantity: int
    amount: int


def tier_parts(tiers: Tiers, quantity: int) -> list[TierPart]:
    """What a quantity comes to, by step; steps that it does not come to are left out.

    Args:
        tiers: the steps.
        quantity: 0 or more: there is nothing to be charged by tier for less.
    """
    if quantity <= 0:
        return []
    parts = list(_graduated(tiers, quantity))
    if tiers.mode == "graduated":
        return [TierPart(n, part, _amount(tiers, n, part)) for n, part in parts]
    last = parts[-1][0]
    return [TierPart(last, quantity, _amount(tiers, last, quantity))]


def _graduated(tiers: Tiers, quantity: int) -> Iterator[tuple[int, int]]:
    """Each step that the quantity comes to, and what of it is in that step."""
    below = 0
    for n, step in enumerate(tiers.steps):
        end = quantity if step.up_to is None else min(quantity, step.up_to)
        if end > below:
            yield n, end - below
        below = max(below, end)


def _amount(tiers: Tiers, n: int, quantity: int) -> int:
    step = tiers.steps[n]
    if tiers.of == "money":
        return quantity + divide_half_even(quantity * step.price, ATTO) + step.fee
    return divide_half_even(quantity * step.price, step.per) + step.fee
