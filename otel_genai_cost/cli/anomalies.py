"""`anomalies`: who spends clearly more than usual."""

from __future__ import annotations

from typing import Final

import typer

from otel_genai_cost.cli.groups import SideOption, side_of
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import CsvOption, JsonOption, form_of, note
from otel_genai_cost.cli.records import show_records
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.reports.anomalies import alert_record, anomalies
from otel_genai_cost.reports.selection import Selection

__all__ = ["register"]

_COLUMNS: Final = (
    "at",
    "rule",
    "scope",
    "window_h",
    "observed",
    "expected",
    "ratio",
    "currency",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="anomalies")(selecting(_anomalies, without=("model", "feature")))


def _anomalies(
    selection: Selection,
    side: SideOption = "cost",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Who spends clearly more than usual, and since when; `--from` and `--to` say of when the alerts are."""
    form = form_of(as_json=as_json, as_csv=as_csv)
    selection, home = selection._replace(side=side_of(side)), Home.to_read(ledger)
    has_ledger, selection = home.fresh(), joined(home, selection)
    found = anomalies(home.store(), selection) if has_ledger else []
    if not found and has_ledger:
        note(f"nothing unusual {selection}")
        return
    show_records(map(alert_record, found), _COLUMNS, form, home, selection)
