"""`sinks`: copies of the ledger in other stores: which there are, how far each is, and whether it has what the ledger
has. One file a command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.sinks import add, refill, remove, requeue, set_aside, verify
from otel_genai_cost.cli.sinks import list as list_

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Where the ledger's entries are copied to.", no_args_is_help=True)
    for command in (list_, add, remove, verify, set_aside, requeue, refill):
        command.register(group)
    app.add_typer(group, name="sinks")
