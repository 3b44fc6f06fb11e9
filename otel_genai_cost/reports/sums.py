"""Sums over entries, grouped. Entries are only ever added, so the sums of some and of those that came after them add up
to the sums of all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from operator import add
from typing import Any, Final, NamedTuple, TypeVar

__all__ = ["EXACT", "Key", "Summed", "Sums", "added", "ordered", "plus", "plus_each", "sums_of"]

K = TypeVar("K")
V = TypeVar("V")

EXACT: Final = Context(prec=76)
"""Sums of DECIMAL(38,18) need more digits than the ambient context may have."""

_Value = str | datetime | None
Key = tuple[_Value, ...]
"""The values of the dimensions, and the currency behind them."""


class Summed(NamedTuple):
    """The sums of a group.

    Attributes:
        calls, priced, unpriced: how many.
        partial: how many of the unpriced have a part that is known.
        amount: what is known; None of entries that have no such amount.
    """

    calls: int
    priced: int
    unpriced: int
    partial: int
    amount: Decimal | None


Sums = Mapping[Key, Summed]


def sums_of(rows: Iterable[Sequence[Any]]) -> Sums:
    """The sums that a store gives. Each value is kept once, however many groups have it.

    Args:
        rows: of each group its values, its sums and its currency.
    """
    once: dict[_Value, _Value] = {}
    return {
        tuple(once.setdefault(value, value) for value in (*row[:-6], row[-1])): Summed(*row[-6:-1])
        for row in rows
    }


def added(sums: Mapping[K, V], more: Mapping[K, V], plus: Callable[[V, V], V]) -> Mapping[K, V]:
    """The sums of all entries.

    Args:
        sums: of some.
        more: of those that came after them.
        plus: adds two of a group.
    """
    if not more:
        return sums
    found = dict(sums)
    for key, one in more.items():
        known = found.get(key)
        found[key] = one if known is None else plus(known, one)
    return found


def plus_each(one: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    """Counts, each added to the one at its place.

    Args:
        one: some.
        more: as many.
    """
    return tuple(map(add, one, more))


def plus(one: Summed, more: Summed) -> Summed:
    """What a group comes to.

    Args:
        one: of some entries.
        more: of others.
    """
    amount = more.amount if one.amount is None else one.amount
    if one.amount is not None and more.amount is not None:
        amount = EXACT.add(one.amount, more.amount)
    return Summed(
        one.calls + more.calls,
        one.priced + more.priced,
        one.unpriced + more.unpriced,
        one.partial + more.partial,
        amount,
    )


def ordered(sums: Sums, *, by_cost: bool) -> list[tuple[Key, Summed]]:
    """The groups that come to anything, in the order of a report: by their values and currency, or by currency and
    amount, the highest first. What is nothing comes last.

    Args:
        sums: of all groups.
        by_cost: whether by amount.
    """
    found = [(key, one) for key, one in sums.items() if one.calls or one.amount]
    found.sort(key=lambda item: tuple((value is None, value or "") for value in item[0]))
    if by_cost:
        found.sort(key=lambda item: item[1].amount or Decimal(0), reverse=True)
        found.sort(key=lambda item: item[1].amount is None)
        found.sort(key=lambda item: str(item[0][-1]))
    return found
