"""`prices list`: every price that holds."""

from __future__ import annotations

from typing import Annotated

import typer

from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.output import JsonOption
from otel_genai_cost.cli.prices.rows import BookOption, now_us, print_rows
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.catalogue import price_record, prices_at
from otel_genai_cost.reports.asking import instant

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="list")(_list)


def _list(
    provider: Annotated[str, typer.Option(help="Only this provider's.")] = "",
    at: Annotated[str, typer.Option(help="In force then, RFC 3339; default: now.")] = "",
    book: BookOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every price in force."""
    prices, at_us = book_of(book), instant("--at", at) or now_us()
    known = prices.names.providers.get(provider.casefold()) if provider else None
    if provider and known is None:
        near = ", ".join(prices.suggest(provider, None))
        raise ConfigurationError("unknown provider", value=provider, remedy=f"similar: {near}")
    rows = (row for row in prices_at(prices, at_us) if known in (None, row.provider))
    print_rows([price_record(row) for row in rows], as_json)
