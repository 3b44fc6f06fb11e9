"""`genai-cost statements`: what is charged to whom for a period. One file a command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.statements import diff, export, follow, run, show
from otel_genai_cost.cli.statements import list as list_

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="What is charged to whom for a period: revised by differences, never edited.",
        no_args_is_help=True,
    )
    for command in (run, list_, show, diff, export, follow):
        command.register(group)
    app.add_typer(group, name="statements")
