"""Budgets that burn faster than they last, by what is booked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.limits.alert import Alert
from otel_genai_cost.limits.budget import DIMENSIONS, Budget
from otel_genai_cost.limits.burn import burns
from otel_genai_cost.limits.exceeded import episodes
from otel_genai_cost.limits.hourly import HOUR_US
from otel_genai_cost.limits.model_name import counted_as
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.reports.tables import atto_of

__all__ = ["burning"]

_SQL: Final = (Path(__file__).parent / "sql" / "burning.sql").read_text(encoding="utf-8")
_COLUMNS: Final = frozenset(DIMENSIONS) - {"organisation"}
_MONEY: Final = {"cost": ("amount", "currency"), "price": ("price", "price_currency")}


def burning(
    store: Queryable,
    budgets: Iterable[Budget],
    to_us: int | None,
    last_us: int,
    tenants: Collection[str] = (),
) -> Iterator[Alert]:
    """The alerts of budgets, in no order.

    Args:
        store: what holds the entries.
        budgets: which; one without a limit or an end burns at no rate.
        to_us: the first instant that no longer counts, None for no limit.
        last_us: when the last call ended.
        tenants: of counters of these alone; none for all.
    """
    for budget in budgets:
        limit = budget.limit
        if not limit or budget.period == "total" or (tenants and not _is_by_tenant(budget)):
            continue
        period_us = budget.period_at(last_us)
        for key, spent in _spent(store, budget, to_us, tenants).items():
            for one in episodes(burns(spent, limit, period_us)):
                yield Alert(
                    at_us=min((one.hour + 1) * HOUR_US, last_us),
                    rule=one.rule,
                    scope=key,
                    window_h=one.hours,
                    observed=one.observed,
                    expected=one.expected,
                    currency=budget.currency,
                    budget=budget.id,
                )


def _is_by_tenant(budget: Budget) -> bool:
    return any(name == "tenant" for name, _ in budget.scope)


def _spent(
    store: Queryable, budget: Budget, to_us: int | None, tenants: Collection[str]
) -> dict[str, dict[int, int]]:
    """Atto in each five minutes, by the counters of a budget. What is in another currency is left out."""
    names = [name for name, _ in budget.scope if name in _COLUMNS]
    amount, currency = _MONEY[budget.side]
    sql = _SQL.format(
        dimensions="".join(f'"{name}", ' for name in names),
        amount=amount,
        currency=currency,
        whose="tenant IN (SELECT unnest(CAST($3 AS VARCHAR[])))" if tenants else "$3 IS NULL",
    )
    until = None if to_us is None else rfc3339(to_us).removesuffix("Z")
    found: dict[str, dict[int, int]] = {}
    for *values, slot, spent in store.query(
        sql, [budget.currency, until, list(tenants) or None]
    ).rows:
        key = budget.key(counted_as(dict(zip(names, values, strict=True))))
        if key is not None:
            slots = found.setdefault(key, {})
            slots[slot] = slots.get(slot, 0) + atto_of(spent)
    return found
