"""Overview: what a period comes to, for whom, and what of it is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from markupsafe import Markup

from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.budget_lines import BudgetLine, budget_lines
from otel_genai_cost.pages.changes import Change, by_key, change
from otel_genai_cost.pages.chart import BYS, Chart, Stretch, charts, key_name, stretch
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.periods import Over, before, over
from otel_genai_cost.pages.spark import spark
from otel_genai_cost.pages.trends import trends
from otel_genai_cost.pages.view import Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.reports.gaps import gaps
from otel_genai_cost.reports.tables import EXACT, Group, decimal_text, group_record, totals
from otel_genai_cost.reports.timeline import beginnings

__all__ = ["view"]

_TOP: Final = 10
_TABLES: Final = ("tenants", "time")
_COLUMNS: Final = ("tenant", "calls", "priced", "unpriced", "total", "currency", "at_least")


class Sum(NamedTuple):
    """What a period comes to in one currency.

    Attributes:
        group: of all its calls.
        attributed: the share of it that is somebody's; None where nothing is known.
        change: against the period before; None without one.
        forecast: what it comes to by its end at the pace so far; None if it is over.
        budgets: of the whole, in this currency, each with its forecast's share.
    """

    group: Group
    attributed: Decimal | None
    change: Change | None
    forecast: Decimal | None
    budgets: tuple[BudgetLine, ...]


class Row(NamedTuple):
    """A tenant.

    Attributes:
        asked: how an address names it.
        name: as people read it.
        group: what its calls come to.
        share: of all in its currency; None where nothing is known.
        change: against the period before; None without one.
        trend: a line.
    """

    asked: str
    name: str
    group: Group
    share: Decimal | None
    change: Change | None
    trend: Markup


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: for which calls, and what the chart is stacked by.
        viewer: who asks.
    """
    selection, by = asked.selection, asked.word("by", BYS)
    tenants = data.report(["tenant"], selection, by_cost=True)
    chosen = stretch(data, asked)
    budgets = budget_lines(data, asked, viewer)
    drawn: list[Chart] = []
    if chosen is not None and tenants:
        ranking = tenants if by == "tenant" else data.report([by], selection, by_cost=True)
        targets = _targets(budgets, asked, chosen)
        drawn = charts(data, asked, by, ranking, chosen, targets)
    if asked.word("table", _TABLES) == "time":
        return View("overview.html", {}, _over_time(drawn, chosen))
    earlier = before(asked)
    past = [] if earlier is None else data.report(["tenant"], earlier)
    values = {
        "by": by,
        "sums": list(_sums(tenants, past, over(selection, data.now_us), budgets, earlier is None)),
        "earlier": earlier and earlier.span,
        "stretch": chosen,
        "charts": drawn,
        "rows": list(_rows(data, asked, tenants, past, chosen, earlier is None)),
        "tenants": len({one.keys["tenant"] for one in tenants} - {None}),
        "more": max(0, len(tenants) - _TOP),
        "gaps": list(gaps(data.report, selection, tenants)),
    }
    return View(
        "overview.html", values, Table.of_records("overview", _COLUMNS, map(group_record, tenants))
    )


def _targets(budgets: Sequence[BudgetLine], asked: Asked, chosen: Stretch) -> Mapping[str, Decimal]:
    """What each bar comes to if the tightest budget is used up evenly."""
    bars = _bars_of(asked, chosen) if budgets else 0
    found: dict[str, Decimal] = {}
    for one in budgets:
        part = EXACT.divide(one.limit, Decimal(max(1, bars)))
        found[one.currency] = min(part, found.get(one.currency, part))
    return found


def _bars_of(asked: Asked, chosen: Stretch) -> int:
    """How many bars the whole period has, with those to come."""
    selection = asked.selection
    if selection.from_us is None or selection.to_us is None:
        return len(chosen.begins)
    ends = selection.from_us, selection.to_us - 1
    return sum(1 for _ in beginnings(*ends, chosen.unit, selection.zone))


def _sums(
    tenants: Sequence[Group],
    past: Sequence[Group],
    passed: Over | None,
    budgets: Sequence[BudgetLine],
    is_alone: bool,
) -> Iterator[Sum]:
    earlier = {one.currency: one.at_least for one in totals(past)}
    somebodys = {
        one.currency: one.at_least
        for one in totals([one for one in tenants if one.keys["tenant"] is not None])
    }
    for one in totals(tenants):
        amount = one.at_least
        yield Sum(
            one,
            _share(somebodys.get(one.currency, Decimal(0)), amount),
            None if is_alone else change(amount, earlier.get(one.currency)),
            passed.forecast(amount) if passed and passed.is_running and amount else None,
            tuple(each for each in budgets if each.currency == one.currency),
        )


def _rows(
    data: Data,
    asked: Asked,
    tenants: Sequence[Group],
    past: Sequence[Group],
    chosen: Stretch | None,
    is_alone: bool,
) -> Iterator[Row]:
    whole = {one.currency: one.at_least for one in totals(tenants)}
    earlier, shown = by_key(past, "tenant"), tenants[:_TOP]
    lines = trends(data, asked, [one.keys["tenant"] for one in shown], chosen)
    for group in shown:
        tenant = group.keys["tenant"]
        name = key_name("tenant", tenant, asked.selection, data.standing.last_us or 0)
        known = earlier.get((group.currency, tenant))
        line = lines.get((group.currency, tenant), ())
        yield Row(
            name_of(tenant),
            name,
            group,
            _share(group.at_least, whole[group.currency]),
            None if is_alone else change(group.at_least, known and known.at_least),
            spark(line, f"{name} over time"),
        )


def _share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return EXACT.divide(part, whole) if part is not None and whole else None


def _over_time(drawn: Sequence[Chart], chosen: Stretch | None) -> Table:
    rows = [
        (row.begin, series.name, decimal_text(amount), one.currency)
        for one in drawn
        for row in one.rows
        for series, amount in zip(one.series, row.amounts, strict=True)
        if amount is not None
    ]
    return Table(
        "over-time", (chosen.unit if chosen else "time", "series", "total", "currency"), rows
    )
