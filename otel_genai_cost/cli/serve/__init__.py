"""`genai-cost serve`: the live pages, and who may see them. One file a command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.serve import link, pages, rotate_keys

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer()
    for command in (pages, link, rotate_keys):
        command.register(group)
    app.add_typer(group, name="serve")
