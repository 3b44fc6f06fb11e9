"""Who spends clearly more than usual, and since when: worked out from booked entries alone.

The same entries give the same alerts, in whatever order they were booked; what is corrected later changes them, as it
changes every report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Protocol

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.tenants.named import ids_in
from otel_genai_cost.limits.alert import Alert
from otel_genai_cost.limits.budget import Budget, values_of
from otel_genai_cost.limits.unusual import Unusual, alerts_of
from otel_genai_cost.reports.burning import burning
from otel_genai_cost.reports.hours import Hourly, hourly
from otel_genai_cost.reports.selection import EVERYTHING, NOBODY, Selection
from otel_genai_cost.reports.tables import extent

__all__ = ["HoursOf", "anomalies"]


class HoursOf(Protocol):
    """What calls come to by the hour, of each tenant or of all together, as `reports.hours.hourly` says it."""

    def __call__(self, selection: Selection, *, by_tenant: bool) -> Iterable[Hourly]: ...


def anomalies(
    store: Queryable,
    selection: Selection = EVERYTHING,
    budgets_at: Callable[[int], Iterable[Budget]] | None = None,
    hours_of: HoursOf | None = None,
) -> list[Alert]:
    """The alerts of a time, in its order.

    Args:
        store: what holds the entries. All before the end of the selection are read, since every alert is one by what
            was before it.
        selection: of what time, and of which tenants.
        budgets_at: the budgets that hold at a time, unix microseconds; None for none.
        hours_of: what calls come to by the hour, where somebody has it at hand; None to ask the store.
    """
    before = EVERYTHING._replace(to_us=selection.to_us, side=selection.side)
    before = before._replace(as_of_us=selection.as_of_us, directory=selection.directory)
    last_us = extent(store).last_us
    if last_us is None:
        return []
    meant = before._replace(tenants=selection.tenants, visible=selection.visible)
    hours = partial(hourly, store) if hours_of is None else hours_of
    found = [*_of_tenants(hours, before, meant, last_us)]
    if budgets_at is not None:
        found += burning(store, budgets_at(last_us), selection.to_us, last_us, _ids(selection))
    return sorted(alert for alert in found if _is_meant(alert, selection))


def _ids(selection: Selection) -> Collection[str]:
    """Those whose counters are meant; none for all, and where nobody's are."""
    if selection.visible is not None:
        return selection.visible
    return () if NOBODY in selection.tenants else ids_in(selection.tenants)


def _of_tenants(
    hours: HoursOf, before: Selection, meant: Selection, last_us: int
) -> Iterator[Alert]:
    """The alerts of the tenants that are meant, each beside what all together spent."""
    by_currency: dict[str, dict[str | None, dict[int, int]]] = {}
    for tenant, currency, hour, amount in hours(meant, by_tenant=True):
        by_currency.setdefault(currency, {}).setdefault(tenant, {})[hour] = amount
    if not meant.is_by_tenant:
        for currency, tenants in by_currency.items():
            yield from alerts_of(tenants, currency, last_us)
        return
    together: dict[str, dict[int, int]] = {}
    for _, currency, hour, amount in hours(before, by_tenant=False):
        together.setdefault(currency, {})[hour] = amount
    for currency, tenants in by_currency.items():
        own = {hour: 0 for spent in tenants.values() for hour in spent}
        rules = Unusual({**own, **together.get(currency, {})}, currency, last_us)
        for tenant, spent in tenants.items():
            yield from rules.of(tenant, spent)


def _is_meant(alert: Alert, selection: Selection) -> bool:
    if selection.from_us is not None and alert.at_us < selection.from_us:
        return False
    if selection.to_us is not None and alert.at_us >= selection.to_us:
        return False
    if selection.visible is not None:
        return selection.shows(values_of(alert.scope).get("tenant"))
    parts = alert.scope.split(",")
    return not selection.tenants or any(f"tenant={tenant}" in parts for tenant in selection.tenants)
