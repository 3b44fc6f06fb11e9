"""Calls around midnight that a bill has on the other day. Pure.

A provider dates a call by its own clock, and often by its end: what ends within half an hour of midnight may be billed
a day earlier or later. It is neither missing nor too much, if one day lacks what the next has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import accumulate
from typing import Final, Literal

from otel_genai_cost.reconciliation.bill import Cell
from otel_genai_cost.reconciliation.pair import Pair

__all__ = ["CallsAround", "Edge", "shifted"]

Edge = Literal["early", "late"]
"""The first or the last half hour of a day."""

CallsAround = Callable[[Cell, Edge], Sequence[int]]
"""The quantities of our calls in that half hour, the nearest to midnight first."""

_EVERY_SUM: Final = 16
"""Calls of which every sum is looked at; of more, only those that lie together at midnight."""


def shifted(pairs: dict[Cell, Pair], calls_around: CallsAround, from_day: str, to_day: str) -> None:
    """Note in each pair what of its quantity only changed its day.

    Args:
        pairs: by cell; changed in place.
        calls_around: says which calls there were around midnight.
        from_day: the first day of the bill.
        to_day: its last day.
    """
    for cell in sorted(pairs, key=lambda one: one.day):
        _with_next(pairs, cell, calls_around)
    for cell in list(pairs):
        if cell.day == to_day:
            _at_end(pairs, cell, "late", calls_around)
            _from_outside(pairs, cell, _day(to_day, 1), "early", calls_around)
        if cell.day == from_day:
            _at_end(pairs, cell, "early", calls_around)
            _from_outside(pairs, cell, _day(from_day, -1), "late", calls_around)


def _with_next(pairs: dict[Cell, Pair], cell: Cell, calls_around: CallsAround) -> None:
    """Between a day and the next."""
    after = cell._replace(day=_next(cell.day))
    if after not in pairs:
        return
    one, other = _open(pairs[cell]), _open(pairs[after])
    if one is None or other is None or one * other >= 0:
        return
    edge: Edge = "late" if one < 0 else "early"
    at = cell if edge == "late" else after
    many = min(abs(one), abs(other))
    if _is_possible(many, one + other == 0, pairs[at], edge, lambda: calls_around(at, edge)):
        sign = 1 if one > 0 else -1
        _move(pairs, cell, sign * int(many))
        _move(pairs, after, -sign * int(many))


def _at_end(pairs: dict[Cell, Pair], cell: Cell, edge: Edge, calls_around: CallsAround) -> None:
    """What left the bill at its first or last midnight."""
    left = _open(pairs[cell])
    if left is None or left >= 0:
        return
    many = -left
    if _is_possible(many, False, pairs[cell], edge, lambda: calls_around(cell, edge)):
        _move(pairs, cell, -int(many))


def _from_outside(
    pairs: dict[Cell, Pair], cell: Cell, day: str, edge: Edge, calls_around: CallsAround
) -> None:
    """What came into the bill over its first or last midnight: calls of the evening before, or of the morning after."""
    left = _open(pairs[cell])
    if left is None or left <= 0:
        return
    if _adds_up(left, calls_around(cell._replace(day=day), edge)):
        _move(pairs, cell, int(left))


def _is_possible(
    many: Fraction, is_mirrored: bool, pair: Pair, edge: Edge, calls: Callable[[], Sequence[int]]
) -> bool:
    have = pair.ours.late if edge == "late" else pair.ours.early
    return many.denominator == 1 and many <= have and (is_mirrored or _adds_up(many, calls()))


def _adds_up(many: Fraction, calls: Sequence[int]) -> bool:
    """Whether some of the calls come to just that."""
    if len(calls) > _EVERY_SUM:
        return many in set(accumulate(calls)) or many in calls
    sums = {0}
    for one in calls:
        sums |= {one + each for each in sums}
    return many in sums


def _open(pair: Pair) -> Fraction | None:
    """What is left of their quantity less ours."""
    surplus = pair.surplus
    return None if surplus is None or pair.is_foreign else surplus - pair.shifted


def _move(pairs: dict[Cell, Pair], cell: Cell, many: int) -> None:
    pair = pairs[cell]
    pairs[cell] = pair._replace(shifted=pair.shifted + many)


def _next(day: str) -> str:
    return _day(day, 1)


def _day(day: str, after: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=after)).isoformat()
