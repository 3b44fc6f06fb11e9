"""`estimates`: what was estimated beside what it came to, by week and model."""

from __future__ import annotations

from typing import Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, cell, print_json, print_table
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.reconciliation.estimates import estimated_record, estimates
from otel_genai_cost.reports.selection import Selection

__all__ = ["register"]

_COLUMNS: Final = ("week", "model", "what", "unit", "calls", "estimated", "actual", "factor")
_RIGHT: Final = frozenset({"calls", "estimated", "actual", "factor"})


def register(app: typer.Typer) -> None:
    """Add the command."""
    without = ("tenant", "model", "feature", "as_of")
    app.command(name="estimates")(selecting(_estimates, without=without))


def _estimates(
    selection: Selection,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimated usage beside what providers reported, and holds beside what calls came to, by week and model."""
    home = Home.to_read(ledger)
    records = list(home.ask(lambda opened: map(estimated_record, estimates(opened, selection))))
    if as_json:
        print_json(records)
    elif records:
        shown = [tuple(cell(one[name]) for name in _COLUMNS) for one in records]
        print_table(_COLUMNS, shown, right=_RIGHT)
    if not records:
        home.note_why_empty(selection, " that was estimated and reported, or held for")
