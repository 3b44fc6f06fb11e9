"""`genai-cost collector`: spans of services that do not run our processor, in the team's collector. One file a
command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.collector import compile_, doctor, init, serve

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Price the spans of services that do not run our processor.", no_args_is_help=True
    )
    for command in (compile_, doctor, init, serve):
        command.register(group)
    app.add_typer(group, name="collector")
