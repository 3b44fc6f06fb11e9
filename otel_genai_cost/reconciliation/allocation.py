"""Which of our calls stand behind which lines of a bill that tells keys and tiers apart, where the ledger does not.

Nothing is guessed that is known: lines at one of our prices whose quantities add up to what we have at that price are
those calls. What is left is shared by quantity, so that the parts re-add to what the ledger has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import lcm
from typing import NamedTuple

from otel_genai_cost.pricing.money import split_largest_remainder
from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.pair import NOTHING, Booked, added

__all__ = ["Allocated", "allocate", "foreign_keys", "is_at"]

_SUBSETS_MAX = 2
"""Keys that may be strangers in one cell, for it to prove which."""


class Allocated(NamedTuple):
    """What we have of each cell, and by price what we have that the bill has nothing of."""

    cells: dict[Cell, Booked]
    unbilled: dict[str | None, Booked]


def allocate(
    billed: Mapping[Cell, Billed],
    prices: Mapping[str | None, Booked],
    tiers: Mapping[str | None, str],
) -> Allocated:
    """What we have of each cell; all of it re-adds to what we have.

    Lines at one of our prices that add up to what we have at it are those calls, and so is a line of another price of
    just as much. If what is left of both sides comes to the same, it is shared by quantity: the price differs. Else
    lines at our price are of those calls, more or fewer.

    Args:
        billed: cells of one day, model and leaf that differ by key and tier.
        prices: what we have of them, by price.
        tiers: which tier is billed at which price, as far as that is known.
    """
    left = _Left(billed, prices, tiers)
    for price in list(left.prices):
        left.take(price, left.at(price), only_if_equal=True)
    for price, booked in list(left.prices.items()):
        same = [
            cell for cell in left.of_tier(price) if left.cells[cell].quantity == booked.quantity
        ]
        left.take(price, same[:1], only_if_equal=True)
    if not left.comes_to_the_same:
        for price in list(left.prices):
            left.take(price, left.at(price))
    return left.shared()


class _Left:
    """What is not allocated yet."""

    def __init__(
        self,
        billed: Mapping[Cell, Billed],
        prices: Mapping[str | None, Booked],
        tiers: Mapping[str | None, str],
    ) -> None:
        self._tiers = tiers
        self.cells, self.prices = dict(billed), dict(prices)
        self._found: dict[Cell, Booked] = {}

    def at(self, price: str | None) -> list[Cell]:
        """Cells at that price of ours, and of its tier."""
        booked = self.prices[price]
        return [cell for cell in self.of_tier(price) if is_at(self.cells[cell], booked)]

    def of_tier(self, price: str | None) -> list[Cell]:
        """Cells of the tier that a price is of; all where nobody knows."""
        tier = self._tiers.get(price)
        return [cell for cell in self.cells if tier is None or cell.tier == tier]

    def take(self, price: str | None, cells: list[Cell], only_if_equal: bool = False) -> None:
        """Let these cells be of what we have at a price."""
        booked = self.prices[price]
        many = sum(_quantity(self.cells[cell]) for cell in cells)
        if cells and (many == booked.quantity or not only_if_equal):
            taken = {cell: self.cells.pop(cell) for cell in cells}
            self._found.update(_shared(self.prices.pop(price), taken))

    @property
    def comes_to_the_same(self) -> bool:
        """Whether both sides have as much left, at whatever price."""
        have = sum(booked.quantity for booked in self.prices.values())
        return sum(map(_quantity, self.cells.values())) == have

    def shared(self) -> Allocated:
        """What is left of ours goes to the cells that are left; without any, it is not billed."""
        if not self.cells:
            return Allocated(self._found, self.prices)
        rest = NOTHING
        for booked in self.prices.values():
            rest = added(rest, booked)
        return Allocated(self._found | _shared(rest, self.cells), {})


def is_at(billed: Billed, booked: Booked) -> bool:
    """Whether a line of the bill is at our price, as far as rounding lets one see.

    Args:
        billed: the line.
        booked: what we have at a price.
    """
    if not billed.quantity or billed.amount is None or not booked.quantity:
        return False
    ours = billed.quantity * booked.amount / booked.quantity
    return abs(billed.amount - ours) < max(billed.slack, 1)


def _quantity(billed: Billed) -> Fraction:
    return Fraction(0) if billed.quantity is None else billed.quantity


def _shared(booked: Booked, cells: Mapping[Cell, Billed]) -> dict[Cell, Booked]:
    """What we have, shared by what the bill says of each cell."""
    if not cells:
        return {}
    weights = _weights(list(cells.values()))
    columns = [split_largest_remainder(value, weights) for value in booked]
    return {cell: Booked(*row) for cell, row in zip(cells, zip(*columns, strict=True), strict=True)}


def _weights(billed: Sequence[Billed]) -> list[int]:
    """By quantity, else by amount, else alike."""
    for shares in (
        [_quantity(one) for one in billed],
        [Fraction(max(one.amount or 0, 0)) for one in billed],
    ):
        if sum(shares) > 0 and min(shares) >= 0:
            whole = lcm(*(one.denominator for one in shares))
            return [int(one * whole) for one in shares]
    return [1] * len(billed)


def foreign_keys(groups: Iterable[tuple[Mapping[str | None, Fraction], int]]) -> frozenset[str]:
    """The keys of a bill that none of our calls is made with.

    A cell in which some keys add up to just what we have speaks for them, and against the others. Where no cell speaks
    for any key, none is a stranger.

    Args:
        groups: of each day, model and leaf the quantity by key, and what we have.
    """
    ours, every = set[str | None](), set[str | None]()
    for quantities, have in groups:
        every.update(quantities)
        if have:
            ours.update(_that_add_up(quantities, have))
    return frozenset(key for key in every - ours if key is not None) if ours else frozenset()


def _that_add_up(quantities: Mapping[str | None, Fraction], have: int) -> frozenset[str | None]:
    surplus = sum(quantities.values()) - have
    if not surplus:
        return frozenset(quantities)
    for many in range(1, min(_SUBSETS_MAX, len(quantities) - 1) + 1):
        for strangers in combinations(quantities, many):
            if sum(quantities[key] for key in strangers) == surplus:
                return frozenset(quantities) - frozenset(strangers)
    return frozenset()
