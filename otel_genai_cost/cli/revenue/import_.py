"""`revenue import`: rows of revenue from files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.errors import ConfigurationError, RevenueError
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.reports.revenue.check import Checked
from otel_genai_cost.reports.revenue.files import FORMS, read_revenue
from otel_genai_cost.reports.revenue.store import digests_in, keep_revenue
from otel_genai_cost.reports.revenue.vendors import Customers

__all__ = ["customers_of", "keep", "register"]


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
    customers = customers_of(directory_at(home)) if form != "csv" else _nobody
    found = read_revenue(files, form, customers, digests_in(home.folder))
    keep(home, found, partial=partial, as_json=as_json, now_us=time.time_ns() // 1000)


def _nobody(vendor: str, customer: str) -> None:
    """Files of CSV name tenants."""


def keep(home: Home, found: Checked, *, partial: bool, as_json: bool, now_us: int) -> None:
    """Keep the rows that were read, and say what came of it.

    Args:
        home: where they are kept.
        found: the rows, and what is wrong with others.
        partial: whether to keep rows beside what is wrong.
        as_json: whether to answer in JSON.
        now_us: the time, unix microseconds.

    Raises:
        RevenueError: with every problem, unless `partial`.
        Exit: with code 1, after keeping the others.
    """
    if found.problems and not partial:
        raise RevenueError(tuple(found.problems))
    kept = keep_revenue(home.folder, found.rows, now_us)
    for problem in found.problems:
        note(str(problem))
    if as_json:
        print_json([{**kept._asdict(), "problems": len(found.problems)}])
    else:
        note(f"{kept.added} new, {kept.known} known, {len(found.problems)} left out")
    if found.problems:
        raise typer.Exit(1)


def customers_of(directory: Directory) -> Customers:
    """The tenants of vendors' customers, by the registry's last word.

    Args:
        directory: whose rows have billing ids.
    """
    rows = sorted(directory.rows, key=lambda row: row.from_us)
    known = {one: row.tenant for row in rows for one in row.billing.billing_ids}
    return lambda vendor, name: known.get((vendor, name))
