"""`revenue`: what customers pay, imported and listed."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.revenue import fetch, import_
from otel_genai_cost.cli.revenue import list as list_

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="What customers pay, for reports of margin.", no_args_is_help=True)
    import_.register(group)
    fetch.register(group)
    list_.register(group)
    app.add_typer(group, name="revenue")
