"""`prices check`: that the default book is what its inputs say."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.output import JsonOption, note, print_json
from otel_genai_cost.cli.prices.import_ import InputsOption, built_from
from otel_genai_cost.pricing.load import WHEEL_LOCK

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="check")(_check)


def _check(inputs: InputsOption = None, as_json: JsonOption = False) -> None:
    """Make the book again, and compare it with the one that is installed; exit code 1 if they differ."""
    built = built_from(inputs)
    same = built.lock == WHEEL_LOCK.read_bytes()
    if as_json:
        print_json([{"same": same, "priced": len(built.priced), "set_aside": len(built.set_aside)}])
    else:
        note(
            "the book is what its inputs say"
            if same
            else "the book is not what its inputs say: prices import"
        )
    if not same:
        raise typer.Exit(1)
