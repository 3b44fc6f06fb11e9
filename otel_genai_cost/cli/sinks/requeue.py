"""`sinks requeue`: send again what was set aside."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.cli.sinks.opened import NameArgument, changing, rejectable

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="requeue")(_requeue)


def _requeue(name: NameArgument, ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Send again what was set aside; exit code 1 if some of it is not taken."""
    refused: dict[int, str] = {}
    with changing(name, Home.to_read(ledger)) as found:
        sink = rejectable(found)
        aside = [one.seq for one in sink.rejected() if one.is_aside]
        for seq in aside:
            for entry in found.ledger.entries.since(seq - 1, 1):
                if why := sink.send_again(found.ledger.id, entry):
                    refused[seq] = why
    for seq, why in refused.items():
        note(f"entry {seq} is still not taken: {why}")
    taken = len(aside) - len(refused)
    if as_json:
        print_json([{"sink": name, "taken": taken, "rejected": list(refused)}])
    else:
        say(f"{taken} of {len(aside)} entries taken")
    if refused:
        raise typer.Exit(1)
