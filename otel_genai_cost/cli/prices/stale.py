"""`prices stale`: how old each provider's prices are."""

from __future__ import annotations

from typing import Annotated

import typer

from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.output import JsonOption, print_json, print_table
from otel_genai_cost.cli.prices.rows import BookOption, cells, now_us
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.catalogue import ages
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="stale")(_stale)


def _stale(
    days: Annotated[
        int | None, typer.Option(min=0, help="Older than this; default: the setting's.")
    ] = None,
    book: BookOption = None,
    as_json: JsonOption = False,
) -> None:
    """How long ago somebody looked at each provider's prices, the oldest first."""
    limit = load_settings().settings.stale_book_days if days is None else days
    at_us = now_us()
    records = [
        {
            "provider": age.provider,
            "rows": age.rows,
            "newest": rfc3339(age.newest_us),
            "days": age.days(at_us),
            "stale": age.days(at_us) > limit,
        }
        for age in ages(book_of(book))
    ]
    if as_json:
        print_json(records)
        return
    columns = ("provider", "rows", "newest", "days", "stale")
    rows = [cells(record, columns) for record in records]
    print_table(columns, rows, right=frozenset({"rows", "days"}))
