"""Overview: what a period comes to, for whom, and what of it is not known."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import NOBODY, Selection
from otel_genai_cost.reports.tables import Group, decimal_text, report, totals

__all__ = ["view"]

_TOP: Final = 10


class Row(NamedTuple):
    """A tenant.

    Attributes:
        tenant: its id; None for nobody's calls.
        name: as people read it.
        group: what its calls come to.
        share: of all in its currency; None where nothing is known.
    """

    tenant: str | None
    name: str
    group: Group
    share: Decimal | None


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: for which calls.
        viewer: who asks.
    """
    selection = asked.selection
    tenants = report(data.figures, ["tenant"], selection, by_cost=True)
    sums = totals(tenants)
    rows = _rows(tenants, sums, selection, data.standing.last_us or 0)
    return View(
        "overview.html",
        {"sums": sums, "rows": rows[:_TOP], "more": max(0, len(rows) - _TOP)},
        Table(
            "overview",
            ("tenant", "calls", "priced", "unpriced", "total", "currency"),
            _cells(tenants),
        ),
    )


def _rows(
    tenants: Sequence[Group], sums: Sequence[Group], selection: Selection, last_us: int
) -> list[Row]:
    whole = {one.currency: one.at_least for one in sums}
    return [
        Row(
            group.keys["tenant"],
            _name(group.keys["tenant"], selection, last_us),
            group,
            _share(group.at_least, whole[group.currency]),
        )
        for group in tenants
    ]


def _name(tenant: str | None, selection: Selection, last_us: int) -> str:
    return NOBODY if tenant is None else shown_tenant(selection.directory, tenant, last_us)


def _share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return part / whole if part is not None and whole else None


def _cells(tenants: Sequence[Group]) -> list[tuple[Any, ...]]:
    return [
        (
            one.keys["tenant"],
            one.calls,
            one.priced,
            one.unpriced,
            None if one.total is None else decimal_text(one.total),
            one.currency,
        )
        for one in tenants
    ]
