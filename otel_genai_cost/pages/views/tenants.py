"""Tenants: all of them, as they are looked for and sorted, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, get_args

from markupsafe import Markup

from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.changes import Change, by_key, change
from otel_genai_cost.pages.chart import key_name, stretch
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.periods import before
from otel_genai_cost.pages.spark import spark
from otel_genai_cost.pages.trends import trends
from otel_genai_cost.pages.view import Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import Group, decimal_text, group_record

__all__ = ["view"]

_AT_ONCE: Final = 50

_Sort = Literal["cost", "name", "change", "calls"]
_SORTS: Final[tuple[_Sort, ...]] = get_args(_Sort)
_COLUMNS: Final = (
    *("tenant", "name", "calls", "priced", "unpriced", "total", "currency", "at_least"),
    *("before", "change"),
)


class Row(NamedTuple):
    """A tenant's calls in one currency.

    Attributes:
        tenant: its id; None for nobody's.
        asked: how an address names it.
        name: as people read it.
        group: what they come to.
        change: against the period before; None without one.
        trend: a line.
    """

    tenant: str | None
    asked: str
    name: str
    group: Group
    change: Change | None
    trend: Markup = Markup("")


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: for which calls, for what in the names, and in which order.
        viewer: who asks.
    """
    sort = asked.word("sort", _SORTS)
    earlier = before(asked)
    rows = _sorted(_found(_rows(data, asked, earlier), asked.q), sort)
    pages = max(1, -(-len(rows) // _AT_ONCE))
    page = min(asked.page, pages)
    shown = rows[(page - 1) * _AT_ONCE : page * _AT_ONCE]
    values = {
        "rows": _with_trends(data, asked, shown),
        "sort": sort,
        "sorts": _SORTS,
        "found": len({row.tenant for row in rows} - {None}),
        "number": page,
        "pages": pages,
        "earlier": earlier and earlier.span,
    }
    return View("tenants.html", values, Table.of_records("tenants", _COLUMNS, map(_record, rows)))


def _rows(data: Data, asked: Asked, earlier: Selection | None) -> list[Row]:
    past = {} if earlier is None else by_key(data.report(["tenant"], earlier), "tenant")
    found: list[Row] = []
    for group in data.report(["tenant"], asked.selection, by_cost=True):
        tenant = group.keys["tenant"]
        name = key_name("tenant", tenant, asked.selection, data.standing.last_us or 0)
        known = past.get((group.currency, tenant))
        changed = None if earlier is None else change(group.at_least, known and known.at_least)
        found.append(Row(tenant, name_of(tenant), name, group, changed))
    return found


def _found(rows: list[Row], q: str) -> list[Row]:
    """Those that have it in their id or their name, however it is written."""
    wanted = q.casefold().strip()
    return [
        row
        for row in rows
        if wanted in (row.tenant or "").casefold() or wanted in row.name.casefold()
    ]


def _sorted(rows: list[Row], sort: _Sort) -> list[Row]:
    """Rows come by cost."""
    if sort == "name":
        return sorted(rows, key=lambda row: (row.name.casefold(), row.asked, row.group.currency))
    if sort == "calls":
        return sorted(rows, key=lambda row: -row.group.calls)
    return sorted(rows, key=_most_changed) if sort == "change" else rows


def _most_changed(row: Row) -> tuple[bool, Decimal]:
    """By how much money: a new tenant's is all that it cost."""
    amount = row.group.at_least
    if row.change is None or amount is None:
        return True, Decimal(0)
    return False, -abs(amount - (row.change.before or Decimal(0)))


def _with_trends(data: Data, asked: Asked, rows: Sequence[Row]) -> list[Row]:
    lines = trends(
        data, asked, list(dict.fromkeys(row.tenant for row in rows)), stretch(data, asked)
    )
    return [
        row._replace(
            trend=spark(lines.get((row.group.currency, row.tenant), ()), f"{row.name} over time")
        )
        for row in rows
    ]


def _record(row: Row) -> dict[str, Any]:
    before, share = (None, None) if row.change is None else row.change
    return {
        **group_record(row.group),
        "name": row.name,
        "before": None if before is None else decimal_text(before),
        "change": None if share is None else f"{share:.6f}",
    }
