"""What a series is charged as: its calls as they are priced, or what the tenant's plan makes of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple

from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.statements.gather import Series, Sums
from otel_genai_cost.statements.periods import Calendar, Period, Zones, whole_us
from otel_genai_cost.statements.plans import (
    BilledPeriod,
    Plan,
    PlanLine,
    PricedLine,
    billed,
    plan_for,
)
from otel_genai_cost.statements.revise import lines_of
from otel_genai_cost.statements.statement import StatementLine

__all__ = ["Charged", "Charging", "plan_at"]

_NEEDS_PLAN: Final = ("seat", "flat")
_OF_LISTS: Final = "USD"


class Charged(NamedTuple):
    """What a series is charged as.

    Attributes:
        lines: exact, not rounded yet.
        plan: that made them; None for the prices of the calls.
        obstacles: why that may be wrong, which keeps the period from being closed.
        remarks: what else a reader should know.
    """

    lines: list[StatementLine]
    plan: str | None = None
    obstacles: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def plan_at(plans: Iterable[Plan], directory: Directory, tenant: str, at_us: int) -> Plan | None:
    """The plan of a tenant at a time; None if there is none. A row that is merged into another tenant names none.

    Args:
        plans: all that there are.
        directory: whose rows name plans.
        tenant: its id.
        at_us: unix microseconds.
    """
    row = directory.own(tenant, at_us)
    named = None if row is None or row.merged_into is not None else row.words.get("plan")
    return plan_for(plans, tenant, named, at_us)


class Charging:
    """Knows the plan of each tenant.

    Args:
        plans: all that there are.
        directory: whose rows say which plan a tenant has, and what type its contract is of.
    """

    def __init__(self, plans: Iterable[Plan], directory: Directory) -> None:
        self._plans = tuple(plans)
        self._directory = directory

    def charged(self, series: Series, sums: Sums) -> Charged:
        """What a series is charged as. What is nobody's, and statements of a part of a tenant, have the calls' prices.

        Args:
            series: whose statement it is of.
            sums: of all its entries so far.
        """
        lines = lines_of(sums)
        if series.tenant is None:
            return Charged(lines)
        remarks = tuple(self._remarks(series.tenant, series))
        if series.scope is not None:
            return Charged(lines, remarks=remarks)
        return self._by_plan(series.tenant, series, sums, lines)._replace(remarks=remarks)

    def _by_plan(
        self, tenant: str, series: Series, sums: Sums, lines: list[StatementLine]
    ) -> Charged:
        period = series.period
        plan = self._plan(tenant, period)
        if plan is None:
            return Charged(lines, None, tuple(self._without_plan(tenant, period)))
        if plan.currency != series.currency:
            what = f"the plan {plan.id} is in {plan.currency}, and the price of these calls in {series.currency}"
            return Charged(lines, None, (what,))
        if series.cost_currency != _OF_LISTS:
            what = f"these calls cost {series.cost_currency}, and the plan {plan.id} is of those that cost {_OF_LISTS}"
            return Charged(lines, None, (what,))
        found = billed(
            plan,
            BilledPeriod(
                tenant=tenant,
                from_us=period.from_us,
                to_us=period.to_us,
                lines=tuple(
                    PricedLine(one.product, one.quantity, one.unit, one.exact) for one in lines
                ),
                calls=sums.calls,
                tokens=sums.tokens,
                burnt=sums.burnt,
                whole_us=whole_us(series.calendar, period),
            ),
        )
        return Charged(_as_lines(found.lines, lines), plan.id)

    def fees(
        self, zones: Zones, calendar: Calendar, first_days: Collection[date]
    ) -> Iterator[Series]:
        """Series of tenants whose plan may come to something without a call.

        Args:
            zones: of the tenants.
            calendar: which periods.
            first_days: of which periods.
        """
        if not self._plans:
            return
        registered = {row.tenant for row in self._directory.rows}
        for tenant in sorted(registered.union(*(plan.tenants for plan in self._plans))):
            for day in sorted(first_days):
                for period in zones.periods(tenant, calendar, day):
                    plan = self._plan(tenant, period)
                    if plan is not None:
                        yield Series(
                            whose="tenant",
                            tenant=tenant,
                            calendar=calendar,
                            period=period,
                            scope=None,
                            scope_value=None,
                            currency=plan.currency,
                            cost_currency=_OF_LISTS,
                        )

    def _plan(self, tenant: str, period: Period) -> Plan | None:
        """That of the beginning of the period; of one that begins within, that of its end."""
        found = (
            plan_at(self._plans, self._directory, tenant, at_us)
            for at_us in (period.from_us, period.to_us - 1)
        )
        return next((plan for plan in found if plan is not None), None)

    def _remarks(self, tenant: str, series: Series) -> Iterator[str]:
        row = self._directory.own(tenant, series.period.to_us - 1)
        currency = None if row is None else row.billing.currency
        if currency not in (None, series.currency):
            yield f"its row says that it pays in {currency}, and these calls are priced in {series.currency}"

    def _without_plan(self, tenant: str, period: Period) -> Iterator[str]:
        row = self._directory.own(tenant, period.to_us - 1)
        kind = None if row is None else row.billing.contract_type
        if kind in _NEEDS_PLAN:
            yield f"its contract is of type {kind}, and no plan says what that comes to"


def _as_lines(found: Iterable[PlanLine], calls: Iterable[StatementLine]) -> list[StatementLine]:
    """The lines of a plan; those that are of the same product as calls have what is known of these."""
    known: Mapping[tuple[str, str], StatementLine] = {(one.product, one.unit): one for one in calls}
    seen: Counter[tuple[str, str]] = Counter()
    lines: list[StatementLine] = []
    for one in found:
        key = (one.product, one.unit)
        seen[key] += 1
        call = known.get(key)
        if call is not None and seen[key] == 1:
            lines.append(call._replace(quantity=one.quantity, exact=one.amount))
            continue
        product = one.product if seen[key] == 1 else f"{one.product}, part {seen[key]}"
        lines.append(StatementLine(product, one.quantity, one.unit, amount=0, exact=one.amount))
    return lines
