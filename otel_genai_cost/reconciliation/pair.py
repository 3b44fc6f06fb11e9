"""A cell of a bill beside what the ledger has of it."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from otel_genai_cost.reconciliation.bill import Billed, Cell

__all__ = ["NOTHING", "NOTHING_BILLED", "Booked", "Pair", "added", "with_unrated"]


class Booked(NamedTuple):
    """What the ledger has of a cell: a quantity, its cost and its list price in atto, how much of the quantity occurred
    in the first and in the last half hour of the day, and how much was used that has no price with us."""

    quantity: int = 0
    amount: int = 0
    list_amount: int = 0
    early: int = 0
    late: int = 0
    unrated: int = 0


NOTHING: Final = Booked()
NOTHING_BILLED: Final = Billed(Fraction(0), 0, None, 0, True)


class Pair(NamedTuple):
    """A cell of both sides.

    Attributes:
        cell: of the bill, or made up of what only the ledger has.
        ours: what the ledger has.
        theirs: what the bill says; None if it says nothing.
        usual: what a unit costs by our books in other cells of the model and leaf, in atto; None if we know none.
        is_foreign: whether the key is one that our calls are not made with.
        shifted: of their quantity less ours, what only changed its day.
        counted: of our quantity, what has no price with us, and that the bill has.
        is_comparable: whether both sides are in one currency.
    """

    cell: Cell
    ours: Booked
    theirs: Billed | None
    usual: Fraction | None = None
    is_foreign: bool = False
    shifted: int = 0
    counted: int = 0
    is_comparable: bool = True

    @property
    def our_rate(self) -> Fraction | None:
        """What a unit costs by our books, in atto; None if they do not say."""
        rated = self.ours.quantity - self.counted
        return Fraction(self.ours.amount, rated) if rated else self.usual

    @property
    def surplus(self) -> Fraction | None:
        """Their quantity less ours; None if the bill has no quantity."""
        theirs = NOTHING_BILLED if self.theirs is None else self.theirs
        return None if theirs.quantity is None else theirs.quantity - self.ours.quantity


def with_unrated(pair: Pair) -> Pair:
    """The pair with what has no price with us, if the bill has that too: what is nearer to its quantity."""
    unrated, surplus = pair.ours.unrated, pair.surplus
    if not unrated or surplus is None or abs(surplus - unrated) >= abs(surplus):
        return pair
    ours = pair.ours._replace(quantity=pair.ours.quantity + unrated)
    return pair._replace(ours=ours, counted=unrated)


def added(one: Booked, more: Booked) -> Booked:
    """Both together."""
    return Booked(*(left + right for left, right in zip(one, more, strict=True)))
