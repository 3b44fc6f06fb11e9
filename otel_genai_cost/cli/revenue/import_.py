"""`revenue import`: rows of revenue from files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.errors import ConfigurationError, RevenueError
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.reports.revenue.files import FORMS, read_revenue
from otel_genai_cost.reports.revenue.store import keep_revenue

__all__ = ["register"]

_NOBODY: Mapping[tuple[str, str], str] = {}


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost revenue`."""
    group.command(name="import")(_import)


def _import(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="What to read.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"{', '.join(FORMS)}: a table, or a vendor's invoices in JSON.",
            autocompletion=lambda: list(FORMS),
        ),
    ] = "csv",
    partial: Annotated[
        bool, typer.Option("--partial", help="Keep the rows that are whole, and exit 1.")
    ] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import rows of revenue: all, or none if anything is wrong. A row that is there already changes nothing."""
    if form not in FORMS:
        raise ConfigurationError(
            "--format is none", value=form, remedy=f"write {' or '.join(FORMS)}"
        )
    home = Home.at(ledger)
    customers = _customers(directory_at(home)) if form != "csv" else _NOBODY
    found = read_revenue(files, form, lambda vendor, name: customers.get((vendor, name)))
    if found.problems and not partial:
        raise RevenueError(tuple(found.problems))
    kept = keep_revenue(home.folder, found.rows, time.time_ns() // 1000)
    for problem in found.problems:
        note(str(problem))
    if as_json:
        print_json([{**kept._asdict(), "problems": len(found.problems)}])
    else:
        note(f"{kept.added} new, {kept.known} known, {len(found.problems)} left out")
    if found.problems:
        raise typer.Exit(1)


def _customers(directory: Directory) -> Mapping[tuple[str, str], str]:
    """The tenants of vendors' customers, by the registry's last word."""
    return {one: row.tenant for row in directory.rows for one in row.billing.billing_ids}
