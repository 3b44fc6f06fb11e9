"""`genai-cost tenants`: who the tenants are: a dated table that reports are joined with. One file a command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.tenants import export, show
from otel_genai_cost.cli.tenants import list as list_
from otel_genai_cost.cli.tenants import set as set_

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Who the tenants are: names, plans, parents and aliases, each from a day on.",
        no_args_is_help=True,
    )
    for command in (list_, set_, show, export):
        command.register(group)
    app.add_typer(group, name="tenants")
