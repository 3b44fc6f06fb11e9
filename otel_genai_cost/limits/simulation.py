"""What budgets would have done to calls that were made. Pure.

Each budget is looked at by itself, call after call in order of time. What was crossed is what would have been reported
had nothing been refused; what was blocked is what a gate would have refused: calls for which nothing was left of the
hard limit after those that it let through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from otel_genai_cost.limits.budget import Budget, Dimensions
from otel_genai_cost.limits.crossing import Crossing, Level, crossings
from otel_genai_cost.limits.dated import Dated
from otel_genai_cost.limits.measures import Measures
from otel_genai_cost.limits.standing import Standing

__all__ = ["Simulated", "Spent", "simulated"]

Convert = Callable[[int, str, str, int], int | None]
"""Atto, its currency, another one and a time: atto of that; None where there is no rate."""


class Spent(NamedTuple):
    """A call, and what it came to.

    Attributes:
        at_us: when it ended, unix microseconds.
        dimensions: what budgets look at.
        cost, price: atto, each with its currency.
        calls: 1; 0 of a part of a call that is shared.
        unpriced: 1 if it has no price.
    """

    at_us: int
    dimensions: Dimensions
    cost: tuple[int, str]
    price: tuple[int, str]
    calls: int
    unpriced: int


class Simulated(NamedTuple):
    """A budget in a period.

    Attributes:
        standing: how it would stand had nothing been refused.
        crossed: what would have been reported, and when (unix microseconds).
        blocked_calls: how many calls would have been refused.
        blocked: what they came to, atto.
    """

    standing: Standing
    crossed: tuple[tuple[int, Crossing], ...]
    blocked_calls: int
    blocked: int

    @property
    def above(self) -> int:
        """How much more than the hard limit was spent, atto."""
        hard = self.standing.budget.hard
        return 0 if hard is None else max(0, self.standing.booked - hard)


def simulated(
    budgets: Iterable[Budget], calls: Iterable[Spent], convert: Convert
) -> list[Simulated]:
    """What each budget would have done in each period, by budget, period and key.

    Args:
        budgets: versions, in any order.
        calls: in order of time.
        convert: converts between currencies.
    """
    dated = Dated(budgets)
    measures = Measures(one.measure for versions in dated.versions.values() for one in versions)
    periods: dict[tuple[str, str, int, str], _Period] = {}
    for call in calls:
        matching = {series: key for _, series, key in measures.matching(call.dimensions)}
        if not matching:
            continue
        for budget in dated.active(call.at_us):
            key = matching.get(budget.series)
            if key is not None:
                from_us, to_us = budget.period_at(call.at_us)
                at = (budget.id, key, from_us, budget.series)
                if at not in periods:
                    periods[at] = _Period(key, from_us, to_us)
                periods[at].add(budget, call, convert)
    found = [one.simulated() for one in periods.values()]
    return sorted(
        found, key=lambda one: (one.standing.budget.id, one.standing[2], one.standing.key)
    )


class _Period:
    """A budget in a period, for one key, as calls come."""

    def __init__(self, key: str, from_us: int, to_us: int) -> None:
        self._key, self._period = key, (from_us, to_us)
        self._budget: Budget | None = None
        self._marks: Mapping[str, int] = {}
        self._booked = self._let_through = self._blocked = self._blocked_calls = 0
        self._calls = self._unpriced = 0
        self._unconverted: dict[str, int] = {}
        self._last: dict[str, Crossing] = {}
        self._crossed: list[tuple[int, Crossing]] = []

    def add(self, budget: Budget, call: Spent, convert: Convert) -> None:
        if budget != self._budget:
            self._cross(self._booked, budget.marks, call.at_us)
            self._budget = budget
        self._calls += call.calls
        self._unpriced += call.unpriced
        amount, currency = call.price if budget.side == "price" else call.cost
        converted = amount
        if currency != budget.currency:
            found = convert(amount, currency, budget.currency, call.at_us)
            if found is None:
                self._unconverted[currency] = self._unconverted.get(currency, 0) + amount
                return
            converted = found
        self._cross(self._booked + converted, self._marks, call.at_us)
        self._admit(budget, call, converted)

    def _cross(self, booked: int, marks: Mapping[str, int], at_us: int) -> None:
        before, after = Level(self._booked, self._marks), Level(booked, marks)
        for one in crossings(before, after, self._last):
            self._last[one.mark] = one
            self._crossed.append((at_us, one))
        self._booked, self._marks = booked, marks

    def _admit(self, budget: Budget, call: Spent, amount: int) -> None:
        if budget.hard is not None and amount > 0 and self._let_through + amount > budget.hard:
            self._blocked_calls += call.calls
            self._blocked += amount
        else:
            self._let_through += amount

    def simulated(self) -> Simulated:
        assert self._budget is not None, "a period begins with a call"
        up = [one.mark for one in self._last.values() if one.direction == "up"]
        standing = Standing(
            budget=self._budget,
            key=self._key,
            period_from_us=self._period[0],
            period_to_us=self._period[1],
            booked=self._booked,
            crossed=tuple(sorted(up, key=lambda name: (self._marks[name], name))),
            episode=max((one.episode for one in self._last.values()), default=0),
            calls=self._calls,
            unpriced=self._unpriced,
            unconverted=dict(self._unconverted),
        )
        return Simulated(standing, tuple(self._crossed), self._blocked_calls, self._blocked)
