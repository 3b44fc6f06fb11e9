"""`budgets list`: every budget that holds, in its period of now."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from otel_genai_cost.cli.budgets.shown import asked, print_standings, standing_of_all
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import CsvOption, JsonOption, form_of, note
from otel_genai_cost.ledger.projections.standings import standings
from otel_genai_cost.reports.asking import instant

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost budgets`."""
    group.command(name="list")(_list)


def _list(
    tenant: Annotated[str, typer.Option(help="Only what is counted for this tenant alone.")] = "",
    at: Annotated[
        str, typer.Option("--at", help="The period of then, with an offset, or a date; now.")
    ] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Every budget, how much of it is booked and held, and which thresholds are crossed."""
    form, home = form_of(as_json=as_json, as_csv=as_csv), Home.to_read(ledger)
    given_us = instant("--at", at)
    at_us = time.time_ns() // 1000 if given_us is None else given_us
    found = asked(
        home, lambda opened: standings(opened.budgets, opened.holds, at_us, tenant=tenant or None)
    )
    print_standings(standing_of_all(found), form)
    if not found:
        note(
            f"no budget holds in {home.folder}: write some in budgets.toml, and run "
            "`genai-cost budgets set --file budgets.toml`"
        )
