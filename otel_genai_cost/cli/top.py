"""`top`: who costs most right now."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.groups import ByOption, SideOption, dimensions, show_groups, side_of
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import CsvOption, JsonOption, form_of
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import report

__all__ = ["register"]

_MINUTE_US: Final = 60_000_000
_MINUTES_MAX: Final = 100_000_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="top")(selecting(_top))


def _top(
    by: ByOption = "tenant",
    *,
    selection: Selection,
    side: SideOption = "cost",
    minutes: Annotated[
        int,
        typer.Option(min=1, max=_MINUTES_MAX, help="How far back to look, if nothing else says."),
    ] = 15,
    limit: Annotated[int, typer.Option(min=1, help="How many to show of each currency.")] = 10,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Who costs most right now."""
    form, names = form_of(as_json=as_json, as_csv=as_csv), dimensions(by)
    if selection.from_us is None and selection.to_us is None:
        now_us = time.time_ns() // 1000
        selection = selection._replace(from_us=now_us - minutes * _MINUTE_US)
    selection, home = selection._replace(side=side_of(side)), Home.to_read(ledger)
    has_ledger, selection = home.fresh(), joined(home, selection)
    groups = report(home.store(), names, selection, by_cost=True) if has_ledger else []
    show_groups(groups, names, form, home, selection, limit)
