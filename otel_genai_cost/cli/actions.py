"""`actions`: what an action of a customer costs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import typer

from otel_genai_cost.cli.groups import ByOption, SideOption, dimensions, side_of
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import (
    CsvOption,
    JsonOption,
    cell,
    form_of,
    print_csv,
    print_json,
    print_table,
)
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.reports.actions import ActionGroup, action_record, actions
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.troubled import TROUBLES

__all__ = ["register"]

_COUNTS: Final = ("actions", "priced_actions", "calls", "unpriced")
_MONEY: Final = ("total", "mean", "p50", "p95")
_CALLS: Final = ("calls_p50", "calls_p95")
_WASTE: Final = ("wasted", "wasted_share", "wasted_calls_share")
_COLUMNS: Final = (
    *("currency", *_COUNTS, *_MONEY, *_CALLS),
    *(f"{trouble}{of}" for trouble in TROUBLES for of in ("", "_cost")),
    *_WASTE,
)
_SHOWN: Final = ("actions", "calls", *_MONEY, "calls_p50", "calls_p95", "wasted_share", "currency")
_RIGHT: Final = frozenset(_SHOWN) - {"currency"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="actions")(selecting(_actions))


def _actions(
    by: ByOption = "tenant",
    *,
    selection: Selection,
    side: SideOption = "cost",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """What an action costs: mean, median and 95th percentile, its calls, and the share of calls that failed, were sent
    again or fell back."""
    form, names = form_of(as_json=as_json, as_csv=as_csv), dimensions(by)
    selection, home = selection._replace(side=side_of(side)), Home.to_read(ledger)
    has_ledger, selection = home.fresh(), joined(home, selection)
    groups = _found(home, names, selection) if has_ledger else []
    records = list(map(action_record, groups))
    if form == "json":
        print_json(records)
    elif form == "csv":
        print_csv([*names, *_COLUMNS], records)
    elif records:
        columns = [*names, *_SHOWN]
        print_table(columns, [_cells(columns, one) for one in records], right=_RIGHT)
    if not groups:
        home.note_why_empty(selection)


def _found(home: Home, names: Sequence[str], selection: Selection) -> list[ActionGroup]:
    with closing(home.ledger()) as opened:
        return actions(home.store(), opened, names, selection)


def _cells(columns: Sequence[str], record: dict[str, Any]) -> list[str]:
    return [name_of(record[name]) if name == "tenant" else cell(record[name]) for name in columns]
