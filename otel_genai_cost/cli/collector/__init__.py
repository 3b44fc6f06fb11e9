"""`genai-cost collector`: spans of services that do not run our processor, in the team's collector. One file a
command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.collector import serve

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Price the spans of services that do not run our processor.", no_args_is_help=True
    )
    group.callback()(_group)
    for command in (serve,):
        command.register(group)
    app.add_typer(group, name="collector")


def _group() -> None:
    """Keeps `serve` a command of its own while it is the only one."""
