"""Who spends clearly more than usual, and since when: worked out from booked entries alone.

The same entries give the same alerts, in whatever order they were booked; what is corrected later changes them, as it
changes every report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.exceeded import Exceeded, episodes
from otel_genai_cost.limits.hourly import HOUR_US, dense
from otel_genai_cost.limits.record_rule import records
from otel_genai_cost.limits.share_rule import shares, usual_sums
from otel_genai_cost.reports.alert import Alert
from otel_genai_cost.reports.burning import burning
from otel_genai_cost.reports.selection import EVERYTHING, NOBODY, Selection
from otel_genai_cost.reports.tables import extent, hourly

__all__ = ["alerts_of", "anomalies"]


def anomalies(
    store: Queryable,
    selection: Selection = EVERYTHING,
    budgets_at: Callable[[int], Iterable[Budget]] | None = None,
) -> list[Alert]:
    """The alerts of a time, in its order.

    Args:
        store: what holds the entries. All before the end of the selection are read, since every alert is one by what
            was before it.
        selection: of what time, and of which tenants.
        budgets_at: the budgets that hold at a time, unix microseconds; None for none.
    """
    before = EVERYTHING._replace(to_us=selection.to_us, side=selection.side)
    before = before._replace(as_of_us=selection.as_of_us, directory=selection.directory)
    last_us = extent(store).last_us
    if last_us is None:
        return []
    by_currency: dict[str, dict[str | None, dict[int, int]]] = {}
    for tenant, currency, hour, amount in hourly(store, before):
        by_currency.setdefault(currency, {}).setdefault(tenant, {})[hour] = amount
    found = [
        alert
        for currency, tenants in by_currency.items()
        for alert in alerts_of(tenants, currency, last_us)
    ]
    if budgets_at is not None:
        found += burning(store, budgets_at(last_us), selection.to_us, last_us)
    return sorted(alert for alert in found if _is_meant(alert, selection))


def _is_meant(alert: Alert, selection: Selection) -> bool:
    if selection.from_us is not None and alert.at_us < selection.from_us:
        return False
    if selection.to_us is not None and alert.at_us >= selection.to_us:
        return False
    parts = alert.scope.split(",")
    return not selection.tenants or any(_scope(tenant) in parts for tenant in selection.tenants)


def alerts_of(
    tenants: Mapping[str | None, Mapping[int, int]], currency: str, last_us: int
) -> Iterator[Alert]:
    """The alerts of one currency, each tenant's in the order of time.

    Args:
        tenants: atto by hour since the epoch, of each tenant; of at least one something.
        currency: of all.
        last_us: when the last call ended, unix microseconds.
    """
    first_h = min(hour for spent in tenants.values() for hour in spent)
    end_h = max(hour for spent in tenants.values() for hour in spent) + 1
    together = Counter[int]()
    for spent in tenants.values():
        together.update(spent)
    usual_for_all = usual_sums(dense(together, first_h, end_h), first_h)
    for tenant, spent in tenants.items():
        own_h = min(spent)
        of_all = list(shares(dense(spent, first_h, end_h), first_h, usual_for_all))
        for one in _alerted(records(dense(spent, own_h, end_h), own_h), of_all):
            yield _alert(one, _scope(tenant or NOBODY), currency, last_us)


def _alerted(of_tenant: Iterable[Exceeded], of_all: Sequence[Exceeded]) -> list[Exceeded]:
    """One of each episode; and a jump of the whole bill though it comes in one that was told for less."""
    noticed = {one.hour: one for one in (*of_tenant, *of_all)}
    first = (*episodes(noticed[hour] for hour in sorted(noticed)), *episodes(of_all))
    return list(dict.fromkeys(first))


def _alert(one: Exceeded, scope: str, currency: str, last_us: int) -> Alert:
    return Alert(
        at_us=min((one.hour + 1) * HOUR_US, last_us),
        rule=one.rule,
        scope=scope,
        window_h=one.hours,
        observed=one.observed,
        expected=one.expected,
        currency=currency,
    )


def _scope(tenant: str) -> str:
    return f"tenant={tenant}"
