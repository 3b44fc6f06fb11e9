"""`plans`: pricing plans, checked, and who uses more than is fair."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.plans import check, fair_use

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Pricing plans of customers.", no_args_is_help=True)
    check.register(group)
    fair_use.register(group)
    app.add_typer(group, name="plans")
