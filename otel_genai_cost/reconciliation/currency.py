"""A bill in another currency than the books: converted by dated exchange rates, or told; never added up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, tzinfo
from typing import NamedTuple

from otel_genai_cost.pricing.instants import midnight_us
from otel_genai_cost.reconciliation.bill import Billed, Cell, plus

__all__ = ["Convert", "Converted", "converted"]

Convert = Callable[[int, str, str, int], "int | None"]
"""Atto of a currency in another one at a time, in unix microseconds; None where there is no rate."""


class Converted(NamedTuple):
    """A bill in the currency of the books as far as there are rates, and the currencies without one."""

    cells: dict[Cell, Billed]
    without_rate: frozenset[str]


def converted(
    cells: Mapping[Cell, Billed], booked: Collection[str], convert: Convert, zone: tzinfo
) -> Converted:
    """A bill in the currency of the books.

    Args:
        cells: of the bill.
        booked: the currencies that the books have; with none, or several, nothing is converted.
        convert: by what rates.
        zone: whose days the bill counts.
    """
    found, without = dict[Cell, Billed](), set[str]()
    quote = next(iter(booked), "") if len(booked) == 1 else ""
    for cell, one in cells.items():
        if not booked or cell.currency in booked:
            found[cell] = plus(found[cell], one) if cell in found else one
            continue
        at_us = midnight_us(date.fromisoformat(cell.day), zone)
        amounts = [
            None if atto is None else convert(atto, cell.currency, quote, at_us)
            for atto in (one.amount, one.list_amount, one.slack)
        ]
        if amounts[0] is None and one.amount is not None:
            without.add(cell.currency)
            found[cell] = one
        else:
            at = cell._replace(currency=quote)
            here = one._replace(
                amount=amounts[0], list_amount=amounts[1], slack=max(amounts[2] or 0, 1)
            )
            found[at] = plus(found[at], here) if at in found else here
    return Converted(found, frozenset(without))
