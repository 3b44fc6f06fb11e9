"""`sinks refill`: have a sink given every entry again."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, print_json, say
from otel_genai_cost.cli.sinks.opened import NameArgument, changing

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="refill")(_refill)


def _refill(name: NameArgument, ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Have the next `genai-cost ship` give a sink every entry again, with the same ids."""
    with changing(name, Home.to_read(ledger)) as found:
        found.sink.reset()
        last = found.ledger.entries.last_seq()
    if as_json:
        print_json([{"sink": name, "seq": 0, "last_seq": last, "behind": last}])
        return
    say(f"{name} is filled again by the next `genai-cost ship`")
