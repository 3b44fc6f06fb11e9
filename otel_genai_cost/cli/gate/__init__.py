"""`genai-cost gate`: calls are admitted before they are made, by budgets that hold. One file a command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.gate import ext_proc, serve, tokens

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Admission of calls before they are made: budgets that hold.", no_args_is_help=True
    )
    for command in (serve, ext_proc, tokens):
        command.register(group)
    app.add_typer(group, name="gate")
