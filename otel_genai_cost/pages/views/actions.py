"""Actions: what an action costs, how that is distributed, and the dearest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.reports.action_costs import ActionCosts, Bucket, Dear, action_costs
from otel_genai_cost.reports.actions import ActionGroup, action_record, actions_and_sums
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import Selection, local_time
from otel_genai_cost.reports.tables import decimal_text
from otel_genai_cost.reports.trend import Bar, pictures
from otel_genai_cost.reports.troubled import TROUBLES

__all__ = ["view"]

_BY: Final = ("tenant", "feature", "agent", "workflow", "model")
_PAGES: Final = {"tenant": "/tenant", "model": "/models", "feature": "/calls"}
"""Where what is grouped by has a page."""

_ROWS_MAX: Final = 50
_DEAREST: Final = 20
_SERIES: Final = "actions"
_COLUMNS: Final = (
    *("currency", "actions", "priced_actions", "calls", "unpriced", "total", "mean", "p50", "p95"),
    *("calls_p50", "calls_p95"),
    *(f"{trouble}{of}" for trouble in TROUBLES for of in ("", "_cost")),
    *("wasted", "wasted_share", "wasted_calls_share"),
)


class Row(NamedTuple):
    """A group: as people read it, what `genai-cost actions` says of it, and the filter that means it alone."""

    name: str
    record: Mapping[str, Any]
    named: str


class DearRow(NamedTuple):
    """One of the dearest: whose it is, when its last call ended, and the filter that means its tenant alone."""

    action: Dear
    tenant: str
    at: str
    named: str


class Sum(NamedTuple):
    """All actions of a currency.

    Attributes:
        record: as a group's.
        plots: how many come to how much, as pictures.
        buckets: the same as a table.
        dearest: of them.
    """

    record: Mapping[str, Any]
    plots: Markup
    buckets: Sequence[tuple[str, int]]
    dearest: Sequence[DearRow]


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: of which calls, and by what.
        viewer: who asks.

    Raises:
        ConfigurationError: for a dimension that actions are not shown by.
    """
    selection, by = asked.selection, asked.word("by", _BY)
    with closing(data.ledger()) as ledger:
        groups, sums = actions_and_sums(
            data.figures,
            ledger,
            [by],
            selection,
            readings=data.readings(ledger),
            parts_of=data.parts,
        )
    costs = action_costs(data.figures, selection, _DEAREST, data.parts)
    last_us = data.standing.last_us or 0
    rows = [_row(group, by, selection, last_us) for group in groups]
    values = {
        "by": by,
        "dimensions": _BY,
        "pages": _PAGES,
        "sums": [_sum(one, costs.get(one.currency), selection, last_us) for one in sums],
        "rows": rows[:_ROWS_MAX],
        "more": max(0, len(rows) - _ROWS_MAX),
    }
    table = Table.of_records("actions", (by, *_COLUMNS), (row.record for row in rows))
    return View("actions.html", values, table)


def _row(group: ActionGroup, by: str, selection: Selection, last_us: int) -> Row:
    value = group.keys[by]
    if by == "tenant":
        name, named = shown_tenant(selection.directory, value, last_us), name_of(value)
    else:
        name, named = value or "none", value or "-"
    return Row(name, action_record(group), named)


def _sum(one: ActionGroup, costs: ActionCosts | None, selection: Selection, last_us: int) -> Sum:
    buckets = () if costs is None else costs.buckets
    dearest = [
        DearRow(
            action,
            shown_tenant(selection.directory, action.tenant, last_us),
            local_time(selection.zone, action.last_us),
            name_of(action.tenant),
        )
        for action in (() if costs is None else costs.dearest)
    ]
    table = [(_span(bucket, one.currency), bucket.actions) for bucket in buckets]
    return Sum(action_record(one), _plots(buckets, one.currency), table, dearest)


def _plots(buckets: Sequence[Bucket], currency: str) -> Markup:
    """How many actions come to how much: for a desk, and for a phone."""
    if not buckets:
        return Markup("")
    bars = [Bar(_low(one), {_SERIES: Decimal(one.actions)}) for one in buckets]
    title = f"Actions by what they cost in {currency}, {len(bars)} bars, from the cheapest to the dearest"
    drawn = pictures(bars, {_SERIES: "c0"}, currency, title=title, phone_bars=len(bars))
    return Markup(drawn.svg)


def _low(one: Bucket) -> str:
    return "below 0" if one.low is None else decimal_text(one.low)


def _span(one: Bucket, currency: str) -> str:
    if one.low is None:
        return f"below 0 {currency}"
    if one.high is None:
        return f"{decimal_text(one.low)} {currency} and more"
    return f"{decimal_text(one.low)} to {decimal_text(one.high)} {currency}"
