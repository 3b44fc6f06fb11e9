"""`bills`: what providers bill, fetched from their APIs for `reconcile`."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.bills import fetch

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Providers' bills, for `reconcile`.", no_args_is_help=True)
    group.callback()(_group)
    fetch.register(group)
    app.add_typer(group, name="bills")


def _group() -> None:
    """Providers' bills, for `reconcile`."""
