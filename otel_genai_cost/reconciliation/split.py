"""Why a bill differs from the ledger, cell by cell: the exact split into volume and rate, and a class. Pure.

`volume = (their quantity - ours) x our rate` and `rate = their quantity x (their rate - ours)` re-add to the difference
to the last digit: the one is rounded half-even at 1e-18, the other is what is left. The parts say more of the same:
what only changed its day, what a list price tells from a discount, what is no more than rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeAlias

from otel_genai_cost.reconciliation.bill import Billed
from otel_genai_cost.reconciliation.pair import NOTHING_BILLED, Pair

__all__ = ["Class", "Split", "split"]

Class: TypeAlias = Literal[
    "equal",
    "volume",
    "rate",
    "coverage",
    "timing",
    "discount",
    "credit",
    "tax",
    "rounding",
    "unknown",
]
"""Why a cell differs; where there are several reasons, the one that most of the money is of."""

_NOISE: Final = 10**12
"""A binary number of 64 bits is right to 15 digits; what a bill is off by for that is rounding."""

_MILLION: Final = 10**6
_ATTO: Final = 10**18
_PUBLISHED: Final = 10**4
"""Prices are published per million, with at most four decimals; what is a price is no rounding."""


class Split(NamedTuple):
    """What a cell's difference is of, in atto.

    Attributes:
        theirs: what the bill says, or is worth by our rate where it has no money; None if nobody knows.
        volume: for another quantity.
        rate: for another rate; with `volume` the whole difference.
        parts: the whole difference by class.
        cls: the class.
        unexplained: what no class explains.
    """

    theirs: int | None
    volume: int
    rate: int
    parts: Mapping[Class, int]
    cls: Class
    unexplained: int


def split(pair: Pair, is_coarse: bool = False) -> Split:
    """Split a cell's difference.

    Args:
        pair: the cell of both sides.
        is_coarse: whether the whole bill is printed in hundredths.
    """
    theirs = NOTHING_BILLED if pair.theirs is None else pair.theirs
    if pair.cell.kind != "usage":
        extra = theirs.amount or 0
        return _split(extra, 0, extra, {pair.cell.kind: extra})
    if not pair.is_comparable:
        return _incomparable(theirs.amount or 0, pair.ours.amount)
    rate = pair.our_rate
    amount = _their_amount(theirs, rate)
    if amount is None:
        return Split(None, 0, 0, {}, "coverage", 0)
    if not pair.ours.quantity and not pair.ours.amount and (pair.is_foreign or rate is None):
        return _not_ours(pair, amount)
    return _both(pair, theirs._replace(amount=amount), rate or Fraction(0), is_coarse)


def _incomparable(theirs: int, ours: int) -> Split:
    """What is in a currency that nothing converts says nothing of the other side."""
    return _split(theirs, theirs - ours, 0, {"unknown": theirs - ours})


def _their_amount(theirs: Billed, rate: Fraction | None) -> int | None:
    """What the bill says; of a report of usage, what it is worth by our rate."""
    if theirs.amount is not None:
        return theirs.amount
    if theirs.quantity is None or rate is None:
        return None
    return round(theirs.quantity * rate)


def _not_ours(pair: Pair, amount: int) -> Split:
    """Nothing of ours is there to compare with."""
    is_named = pair.cell.token_type is not None
    cls: Class = "coverage" if is_named or pair.is_foreign else "unknown"
    return _split(amount, amount, 0, {cls: amount})


def _both(pair: Pair, theirs: Billed, our_rate: Fraction, is_coarse: bool) -> Split:
    amount = theirs.amount or 0
    difference = amount - pair.ours.amount
    quantity = _their_quantity(pair, theirs, our_rate)
    volume = round((quantity - pair.ours.quantity) * our_rate)
    if not quantity and not amount:
        volume = difference
    rate = difference - volume
    timing = round(pair.shifted * our_rate)
    discount = _discount(pair, theirs, quantity)
    rest = rate - discount
    rounding = rest if _is_rounding(rest, theirs, quantity, is_coarse) else 0
    is_cut = pair.cell.token_type is not None
    parts: dict[Class, int] = {
        "volume": volume - timing if is_cut else 0,
        "rate": rest - rounding if is_cut else 0,
        "timing": timing,
        "discount": discount,
        "rounding": rounding,
        "unknown": 0 if is_cut else volume - timing + rest - rounding,
    }
    return _split(amount, volume, rate, parts)


def _their_quantity(pair: Pair, theirs: Billed, our_rate: Fraction) -> Fraction:
    """The bill's; where it has none, what its amount is of at our rate if that is a whole number, else ours."""
    if theirs.quantity is not None:
        return theirs.quantity
    amount, slack = theirs.amount or 0, max(theirs.slack, 1)
    if our_rate and abs(amount - pair.ours.amount) >= slack:
        whole = round(amount / our_rate)
        if abs(whole * our_rate - amount) < slack:
            return Fraction(whole)
    return Fraction(pair.ours.quantity)


def _discount(pair: Pair, theirs: Billed, quantity: Fraction) -> int:
    """What the bill takes off the list price beyond what our books take off."""
    if theirs.list_amount is None or theirs.amount is None:
        return 0
    booked = pair.ours.amount - pair.ours.list_amount
    expected = quantity * booked / pair.ours.quantity if pair.ours.quantity else 0
    return theirs.amount - theirs.list_amount - round(expected)


def _is_rounding(rest: int, theirs: Billed, quantity: Fraction, is_coarse: bool) -> bool:
    amount = theirs.amount or 0
    if not rest or abs(rest) * _NOISE <= abs(amount):
        return bool(rest)
    if abs(rest) >= theirs.slack:
        return False
    return is_coarse or not _is_published(amount, quantity)


def _is_published(amount: int, quantity: Fraction) -> bool:
    """Whether the amount is of a price that somebody may publish."""
    if not amount or not quantity:
        return False
    price = amount * _MILLION / quantity / _ATTO
    return (price * _PUBLISHED).denominator == 1


def _split(theirs: int, volume: int, rate: int, parts: Mapping[Class, int]) -> Split:
    real: dict[Class, int] = {cls: part for cls, part in parts.items() if part}
    most: list[Class] = sorted(real, key=lambda one: -abs(real[one]))
    cls: Class = most[0] if most else "equal"
    return Split(theirs, volume, rate, real, cls, real.get("unknown", 0))
