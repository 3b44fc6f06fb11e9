"""`prices show`: one model."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.output import JsonOption, print_json, say
from otel_genai_cost.cli.prices.rows import (
    BookOption,
    ModelArgument,
    model_named,
    now_us,
    print_rows,
)
from otel_genai_cost.pricing.catalogue import names_of_model, price_record, prices_at

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="show")(_show)


def _show(model: ModelArgument, book: BookOption = None, as_json: JsonOption = False) -> None:
    """One model: its names, and its prices now."""
    prices = book_of(book)
    provider, name = model_named(prices, model)
    names = names_of_model(prices, provider, name)
    found = [
        row for row in prices_at(prices, now_us()) if (row.provider, row.model) == (provider, name)
    ]
    if as_json:
        print_json(
            [
                {
                    "provider": provider,
                    "model": name,
                    "names": names,
                    "book": prices.digest,
                    "prices": [price_record(row) for row in found],
                }
            ]
        )
        return
    say(f"{provider}/{name}   also: {', '.join(names)}")
    print_rows([price_record(row) for row in found], as_json)
