"""`genai-cost prices`: the price book: look, compare, check, fetch. One file a command."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.prices import (
    check,
    diff,
    fetch,
    history,
    impact,
    import_,
    lock,
    show,
    stale,
    validate,
)
from otel_genai_cost.cli.prices import list as list_

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="The price book: look, compare, check, fetch.", no_args_is_help=True)
    for command in (
        list_,
        show,
        history,
        diff,
        stale,
        validate,
        lock,
        fetch,
        impact,
        import_,
        check,
    ):
        command.register(group)
    app.add_typer(group, name="prices")
