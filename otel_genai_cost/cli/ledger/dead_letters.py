"""`ledger dead-letters`: messages of a topic that are no observations, and why."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.streaming.dead_letters import DEAD_LETTERS_FILE, DeadLetters

__all__ = ["register"]

_COLUMNS = ("at", "place", "reason")


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(name="dead-letters")(_dead_letters)


def _dead_letters(ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """What `genai-cost ship --from` set aside: messages that are no observations, each with the reason."""
    home = Home.to_read(ledger)
    kept = DeadLetters(home.folder / DEAD_LETTERS_FILE)
    found, dropped = list(kept.records()), kept.dropped()
    if any(dropped):
        note(
            f"{sum(dropped)} older ones are not kept any more; {dropped.ours} of them said to be events of ours"
        )
    if as_json:
        print_json(found)
        return
    if not found:
        note(f"no message was set aside in {home.folder}")
        return
    rows = [[str(one[name]) for name in _COLUMNS] for one in found]
    print_table(_COLUMNS, rows, right=frozenset())
