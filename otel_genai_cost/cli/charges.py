"""`charges`: the net of each charge."""

from __future__ import annotations

from typing import Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import CsvOption, JsonOption, form_of
from otel_genai_cost.cli.records import show_records
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.reports.receipt import charge_record
from otel_genai_cost.reports.registered import REGISTERED, registered_record
from otel_genai_cost.reports.selection import Selection

__all__ = ["register"]

_COLUMNS: Final = (
    "occurred",
    "charge_id",
    "tenant",
    "model",
    "status",
    "amount",
    "currency",
    "response_id",
)
_CSV: Final = (*_COLUMNS, "total", "price", "price_currency")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="charges")(selecting(_charges))


def _charges(
    selection: Selection,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """The net of each charge."""
    form, home = form_of(as_json=as_json, as_csv=as_csv), Home.to_read(ledger)
    selection = joined(home, selection)
    directory = selection.directory
    records = (
        record | registered_record(directory, position.attribution.tenant, position.occurred_us)
        if directory.pieces
        else record
        for charge in home.ask(charges)
        for position, record in zip(charge.positions, charge_record(charge), strict=True)
        if selection.has(position)
    )
    columns = _CSV + (REGISTERED if directory.pieces else ()) if form == "csv" else _COLUMNS
    show_records(records, columns, form, home, selection)
