"""How budgets stand, from their versions, counters and crossings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from otel_genai_cost.ledger.projections.budgets import Budgets
from otel_genai_cost.ledger.projections.counters import Counter
from otel_genai_cost.ledger.projections.holds import Holds
from otel_genai_cost.limits.budget import ANY, Budget, values_of
from otel_genai_cost.limits.hold import Place
from otel_genai_cost.limits.standing import Standing

__all__ = ["standings", "standings_of"]

_Counters = dict[tuple[str, int], list[Counter]]
"""By key and beginning of the period."""


def standings(
    budgets: Budgets, holds: Holds, at_us: int, *, tenant: str | None = None
) -> Iterator[Standing]:
    """Every budget that holds at a time, in its period of then; by id and key.

    Args:
        budgets, holds: of an open ledger.
        at_us: unix microseconds.
        tenant: only what is counted for this tenant alone; None for all.
    """
    for budget in budgets.active(at_us):
        counted = _counted(budgets, budget, at_us)
        period = budget.period_at(at_us)
        keys = [key for key, from_us in counted if from_us == period[0]]
        keys += holds.keys(budget.series, period[0])
        for key in sorted({*keys, *_own_keys(budget, tenant, keys)}):
            if tenant is None or values_of(key).get("tenant") == tenant:
                yield _standing(budgets, budget, key, period, counted, holds)


def standings_of(budgets: Budgets, holds: Holds, budget_id: str, at_us: int) -> Iterator[Standing]:
    """A budget in every period of which anything is counted, and in that of now, from old to new.

    Args:
        budgets, holds: of an open ledger.
        budget_id: of which budget.
        at_us: now, unix microseconds.
    """
    found: dict[tuple[int, str, str], Standing] = {}
    for version in budgets.versions(budget_id):
        counted = _counted(budgets, version)
        for key, from_us in counted:
            period = from_us, counted[key, from_us][0].period_to_us
            judge = _judge(budgets, budget_id, min(at_us, period[1] - 1))
            if judge is not None and judge.series == version.series:
                one = _standing(budgets, judge, key, period, counted, holds)
                found[from_us, key, version.series] = one
    for one in standings(budgets, holds, at_us):
        if one.budget.id == budget_id:
            found[one.period_from_us, one.key, one.budget.series] = one
    return iter([found[at] for at in sorted(found)])


def _judge(budgets: Budgets, budget_id: str, at_us: int) -> Budget | None:
    return next((one for one in budgets.active(at_us) if one.id == budget_id), None)


def _counted(budgets: Budgets, budget: Budget, at_us: int | None = None) -> _Counters:
    found: _Counters = {}
    for one in budgets.counters(budget.series, at_us):
        found.setdefault((one.place.key, one.place.period_from_us), []).append(one)
    return found


def _own_keys(budget: Budget, tenant: str | None, keys: Sequence[str]) -> Iterable[str]:
    """Keys that stand in the scope itself: they are shown though nothing is counted yet."""
    values = {
        dimension: tenant if dimension == "tenant" and value == ANY and tenant else value
        for dimension, value in budget.scope
    }
    if ANY not in values.values() or (tenant is None and not keys):
        key = budget.key(values)
        return () if key is None else (key,)
    return ()


_MARK_ORDER: Final = 1 << 70


def _standing(
    budgets: Budgets,
    budget: Budget,
    key: str,
    period: tuple[int, int],
    counted: _Counters,
    holds: Holds,
) -> Standing:
    place = Place(budget.series, key, period[0])
    rows = counted.get((key, period[0]), [])
    own = [one for one in rows if one.currency == budget.currency]
    last = budgets.last_crossings(budget.id, place)
    up = [one.mark for one in last.values() if one.direction == "up"]
    marks = budget.marks
    return Standing(
        budget=budget,
        key=key,
        period_from_us=period[0],
        period_to_us=period[1],
        booked=sum(one.booked for one in own),
        held=holds.sums(place).open,
        crossed=tuple(sorted(up, key=lambda name: (marks.get(name, _MARK_ORDER), name))),
        episode=max((one.episode for one in last.values()), default=0),
        calls=sum(one.calls for one in rows),
        unpriced=sum(one.unpriced for one in rows),
        unconverted={
            one.currency: one.booked
            for one in rows
            if one.currency != budget.currency and one.booked
        },
        late_entries=sum(one.late_entries for one in rows),
    )
