"""`tenants show`: every row of a tenant, and those that speak of its id."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, print_json, print_table
from otel_genai_cost.cli.registry import directory_at, registry_path
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.tenants.row import row_record

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost tenants`."""
    group.command(name="show")(_show)


def _show(
    tenant: Annotated[str, typer.Argument(metavar="ID", help="A tenant's id, or an alias.")],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every row of a tenant in the order of time, and the rows that have its id as an alias."""
    home = Home.at(ledger)
    directory = directory_at(home)
    rows = [row for row in directory.rows if tenant in (row.tenant, *row.aliases)]
    if not rows:
        raise ConfigurationError(
            "no row of the tenants' registry has this id",
            value=tenant,
            where=str(registry_path(home)),
            remedy="see `genai-cost tenants list`, or add one: `genai-cost tenants set ID --from DAY --name NAME`",
        )
    now = directory.at(tenant, time.time_ns() // 1000)
    records = [
        {**row_record(row), "current": now is not None and row.facts == now.row.facts}
        for row in sorted(rows, key=lambda row: row.from_us)
    ]
    if as_json:
        print_json(records)
        return
    for record in records:
        said = {key: value for key, value in record.items() if value not in (None, [], {}, False)}
        cells = [(key, _cell(value)) for key, value in said.items()]
        print_table(("what", "value"), cells, right=frozenset(), prose=frozenset({"value"}))


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, dict):
        return " ".join(f"{key}={name}" for key, name in value.items())  # pyright: ignore[reportUnknownVariableType]
    return "yes" if value is True else str(value)
