"""Quantities of a bill that has only money: what its amounts are of at our prices, where that is a whole number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from fractions import Fraction
from typing import NamedTuple

from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.names import Words
from otel_genai_cost.reconciliation.ours import Ours, day_and_edge

__all__ = ["with_quantities"]

_Place = tuple[str | None, str | None, str]
"""Model, leaf and currency."""


class _Booked(NamedTuple):
    """Of a place: how much we have at which price, and how much of a day at which price."""

    all: Counter[Fraction]
    days: dict[str, Counter[Fraction]]


def with_quantities(
    cells: Mapping[Cell, Billed], have: Iterable[Ours], words: Words, zone: tzinfo
) -> dict[Cell, Billed]:
    """The cells, those without a quantity with one that is worked out, and said to be.

    Of several prices that give a whole number counts the one at which we have just as much on that day; else the
    dearest for the standard tier, the cheapest for any other.

    Args:
        cells: of the bill.
        have: what the ledger has.
        words: of the bill.
        zone: whose days.
    """
    lacking = [cell for cell, one in cells.items() if _lacks(cell, one)]
    if not lacking:
        return dict(cells)
    booked = _booked(have, words, zone)
    found = dict(cells)
    for cell in lacking:
        known = booked.get((cell.model, cell.token_type, cell.currency))
        quantity = None if known is None else _quantity(cell, cells[cell].amount or 0, known)
        if quantity is not None:
            found[cell] = cells[cell]._replace(quantity=quantity, is_worked_out=True)
    return found


def _lacks(cell: Cell, one: Billed) -> bool:
    is_cut = cell.kind == "usage" and cell.token_type is not None
    return is_cut and one.quantity is None and bool(one.amount)


def _booked(have: Iterable[Ours], words: Words, zone: tzinfo) -> dict[_Place, _Booked]:
    found: dict[_Place, _Booked] = {}
    for one in have:
        if one.price is None or not one.quantity or not one.amount:
            continue
        model = words.model(one.model)
        place = (model, words.leaf(model, one.leaf), one.currency)
        known = found.setdefault(place, _Booked(Counter(), {}))
        price = Fraction(one.amount, one.quantity)
        day, _ = day_and_edge(one.slot, zone)
        known.all[price] += one.quantity
        known.days.setdefault(day, Counter())[price] += one.quantity
    return found


def _quantity(cell: Cell, amount: int, known: _Booked) -> Fraction | None:
    whole = {price: amount / price for price in known.all if (amount / price).denominator == 1}
    of_day = known.days.get(cell.day, Counter[Fraction]())
    for price, quantity in whole.items():
        if of_day[price] == quantity:
            return quantity
    if not whole:
        return None
    return whole[min(whole) if cell.tier else max(whole)]
