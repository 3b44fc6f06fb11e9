"""`revenue list`: the rows of revenue that were imported."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import (
    CsvOption,
    JsonOption,
    cell,
    form_of,
    note,
    print_csv,
    print_json,
    print_table,
)
from otel_genai_cost.reports.revenue.check import COLUMNS
from otel_genai_cost.reports.revenue.row import revenue_record
from otel_genai_cost.reports.revenue.store import revenue_in

__all__ = ["register"]

_RIGHT: Final = frozenset({"amount", "seats"})


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost revenue`."""
    group.command(name="list")(_list)


def _list(
    tenant: Annotated[str, typer.Option(help="Only this tenant's, as it was imported.")] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """What was imported, in the order of its beginning."""
    form, home = form_of(as_json=as_json, as_csv=as_csv), Home.to_read(ledger)
    rows = [row for row in revenue_in(home.folder) if not tenant or row.tenant == tenant]
    records = list(map(revenue_record, rows))
    if form == "json":
        print_json(records)
    elif form == "csv":
        print_csv(COLUMNS, records)
    elif records:
        rows_shown = [[cell(one[key]) for key in COLUMNS] for one in records]
        print_table(COLUMNS, rows_shown, right=_RIGHT)
    if not records:
        note(f"no revenue in {home.folder}; see genai-cost revenue import --help")
