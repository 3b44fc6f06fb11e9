"""`genai-cost budgets`: how much may be spent, and how that stands. One file a command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.budgets import history, show, simulate
from otel_genai_cost.cli.budgets import list as list_
from otel_genai_cost.cli.budgets import set as set_

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Budgets: limits by tenant, feature, model and more, and how they stand.",
        no_args_is_help=True,
    )
    for command in (list_, set_, show, history, simulate):
        command.register(group)
    app.add_typer(group, name="budgets")
