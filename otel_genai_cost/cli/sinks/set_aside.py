"""`sinks set-aside`: go past an entry that a receiver rejects."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.cli.sinks.opened import NameArgument, changing, rejectable, rejected_record

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="set-aside")(_set_aside)


def _set_aside(name: NameArgument, ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Go past the entry that the receiver rejects, so that those behind it are sent. It is kept, to be sent again."""
    with changing(name, Home.to_read(ledger)) as found:
        one = rejectable(found).set_aside(found.ledger.id)
    if one is None:
        note(f"{name} stands before no entry that was rejected")
        raise typer.Exit(1)
    if as_json:
        print_json([{"sink": name, **rejected_record(one._replace(is_aside=True))}])
        return
    say(
        f"entry {one.seq} (event {one.id}) is set aside; `genai-cost sinks requeue {name}` sends it again"
    )
