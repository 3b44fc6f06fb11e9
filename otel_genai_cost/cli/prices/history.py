"""`prices history`: every row that a model ever had."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.output import JsonOption, print_json, print_table
from otel_genai_cost.cli.prices.rows import PROSE, BookOption, ModelArgument, cells, model_named
from otel_genai_cost.pricing.catalogue import history, price_record

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="history")(_history)


def _history(model: ModelArgument, book: BookOption = None, as_json: JsonOption = False) -> None:
    """Every row of a model: when it held, when it was learned, what corrected it."""
    prices = book_of(book)
    rows = history(prices, *model_named(prices, model))
    superseded = {row.supersedes: row.id for row in rows if row.supersedes}
    records = [{**price_record(row), "superseded_by": superseded.get(row.id)} for row in rows]
    if as_json:
        print_json(records)
        return
    columns = ("from", "to", "recorded_at", "when", "rates", "superseded_by")
    print_table(
        columns, [cells(record, columns) for record in records], right=frozenset(), prose=PROSE
    )
