"""A tenant's own page: what it used, what it pays, its credits and budgets. What that costs us is not asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.projections.credit_json import balance_json
from otel_genai_cost.ledger.projections.standings import standings
from otel_genai_cost.limits.budget import values_of
from otel_genai_cost.limits.standing import standing_record
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import MissingPageError, Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import Group, group_record, totals

__all__ = ["BYS", "view"]

BYS: Final = ("model", "feature", "day")
"""What it is told apart by: each says something of the tenant, nothing of how we get it."""

_COLUMNS: Final = ("calls", "input_tokens", "output_tokens", "price", "at_least", "currency")


class Used(NamedTuple):
    """A row: what calls come to, and the tokens that went in and came out."""

    key: str | None
    group: Group
    input_tokens: int
    output_tokens: int


class Limits(NamedTuple):
    """What the tenant paid before, and what it may spend: as others script against them."""

    credits: Sequence[dict[str, Any]]
    budgets: Sequence[dict[str, Any]]


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: for which calls.
        viewer: a tenant, or one of the team that looks at what a tenant sees.

    Raises:
        MissingPageError: if it is none of a viewer's tenants.
        ConfigurationError: if nobody says whose page it is.
    """
    tenants = _whose(asked.selection, viewer)
    selection = asked.selection._replace(tenants=tenants, side="price")
    by = asked.word("by", BYS)
    rows = _rows(data, selection, by)
    limits = _limits(data, tenants)
    names = [shown_tenant(selection.directory, one, asked.now_us) for one in tenants]
    sums = totals([one.group for one in rows])
    values = {"names": names, "rows": rows, "sums": sums, "by": by, "bys": BYS, "limits": limits}
    return View("own.html", values, Table.of_records("usage", (by, *_COLUMNS), map(_record, rows)))


def _whose(selection: Selection, viewer: Viewer) -> tuple[str, ...]:
    """The tenants that are shown: those that were asked for, of those that may be seen."""
    tenants = selection.tenants if viewer.visible is None else viewer.visible
    if not tenants and viewer.sees_all:
        raise ConfigurationError("whose page is it?", remedy="add ?tenant= and a tenant's id")
    shown = tuple(one for one in tenants if selection.shows(one))
    if not shown:
        raise MissingPageError("there is no such tenant here")
    return shown


def _rows(data: Data, selection: Selection, by: str) -> list[Used]:
    tokens = data.tokens([by], selection)
    return [
        Used(one.keys[by], one, *tokens[one.keys[by], one.currency])
        for one in data.report([by], selection, by_cost=by != "day")
    ]


def _limits(data: Data, tenants: Sequence[str]) -> Limits:
    if not (data.folder / LEDGER_FILE).exists():
        return Limits((), ())
    with closing(data.ledger()) as ledger, ledger.snapshot():
        seq = ledger.entries.last_seq()
        balances = [
            balance_json(balance, ledger.credits.outside(tenant))
            for tenant in tenants
            for balance in ledger.credits.balances(data.now_us, seq, tenant)
        ]
        found = [
            _budget(standing_record(one), one.key)
            for tenant in tenants
            for one in standings(ledger.budgets, ledger.holds, data.now_us, tenant=tenant)
            if one.budget.side == "price"
        ]
    return Limits(balances, found)


def _budget(record: dict[str, Any], key: str) -> dict[str, Any]:
    """A standing, with what of the tenant's it is about."""
    parts = {name: value for name, value in values_of(key).items() if name != "tenant"}
    return {**record, "of": ", ".join(f"{name} {value}" for name, value in parts.items())}


def _record(one: Used) -> dict[str, Any]:
    record = group_record(one.group)
    return {
        **record,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "price": record["total"],
    }
