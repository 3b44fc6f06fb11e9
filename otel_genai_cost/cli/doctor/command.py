"""The command: runs every check and says what each found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.doctor import (
    estimates,
    libraries,
    money,
    process,
    settings,
    sinks,
    storage,
    surroundings,
    tenants,
)
from otel_genai_cost.cli.doctor.calls import show_calls
from otel_genai_cost.cli.doctor.check import Check, Found, State, failed
from otel_genai_cost.cli.doctor.durability import durability
from otel_genai_cost.cli.doctor.edges import bypassed
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, print_json, print_table

__all__ = ["CHECKS", "register"]

CHECKS: Final[tuple[Check, ...]] = (
    settings.problems,
    settings.tenant_source,
    settings.strict_mode,
    bypassed,
    money.price_book,
    money.contracts,
    tenants.registry,
    tenants.addresses,
    estimates.defaults,
    storage.journal,
    storage.segments,
    durability,
    storage.ledger,
    storage.backup,
    sinks.copies,
    settings.propagators,
    process.tracer_provider,
    process.exporters,
    process.clients,
    process.edge,
    libraries.optional,
    surroundings.pitfalls,
    surroundings.queues,
)
"""In the order of the output. A new check is a function in a file of its subject, and its name here."""

_WORDS: Final[dict[State, str]] = {"ok": "ok", "warning": "warning", "failure": "WRONG"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="doctor")(_doctor)


def _doctor(
    calls: Annotated[
        bool, typer.Option("--calls", help="Show where in the code calls without a tenant stand.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, help="With --calls: of so many days.")] = 7,
    collector: Annotated[
        Path | None,
        typer.Option(help="Look into the configuration of the collector that you send to."),
    ] = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the whole set-up; exit code 1 if something is wrong."""
    home = Home.at(ledger)
    if calls:
        show_calls(home, days, as_json)
        return
    checks = (*CHECKS, sinks.receiver(collector))
    everything = [found for check in checks for found in _looked(check, home)]
    if as_json:
        print_json(
            {
                "name": one.name,
                "ok": one.state != "failure",
                "state": one.state,
                "found": one.seen,
                "remedy": one.remedy,
            }
            for one in everything
        )
    else:
        rows = [(_WORDS[one.state], one.name, one.seen, one.remedy) for one in everything]
        columns = ("", "what", "found", "remedy")
        print_table(columns, rows, right=frozenset(), prose=frozenset({"found", "remedy"}))
    if any(one.state == "failure" for one in everything):
        raise typer.Exit(1)


def _looked(check: Check, home: Home) -> list[Found]:
    """What a check found; what may not be looked at is a finding too."""
    try:
        return list(check(home))
    except OSError as error:
        name = check.__name__.replace("_", " ")
        return [failed(name, str(error), "run it as a user who may read this, or mend its mode")]
