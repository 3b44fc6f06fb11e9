"""`prices diff`: what one book says otherwise than another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.cli.prices.rows import PROSE
from otel_genai_cost.pricing.catalogue import Change, changes
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.load import load_book

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="diff")(_diff)


def _diff(
    old: Annotated[Path | None, typer.Argument(help="A book; default: the wheel's.")] = None,
    new: Annotated[
        Path | None, typer.Argument(help="Another; default: the configured one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What the new book says otherwise."""
    found = [_change_record(change) for change in changes(load_book(old), book_of(new))]
    if as_json:
        print_json(found)
        return
    columns = ("change", "price_id", "rates")
    rows = [[record["change"], record["price_id"], _rates_text(record)] for record in found]
    print_table(columns, rows, right=frozenset(), prose=PROSE)
    note(f"{len(found)} row(s) differ")


def _change_record(change: Change) -> dict[str, Any]:
    percent = change.percent
    return {
        "change": change.kind,
        "price_id": change.row.id,
        "provider": change.row.provider,
        "model": change.row.model,
        "when": dict(change.row.when),
        "from": rfc3339(change.row.valid_from_us),
        "to": None if change.row.valid_to_us is None else rfc3339(change.row.valid_to_us),
        "rates": {
            leaf: {"old": old, "new": new, "percent": percent[leaf]}
            for leaf, (old, new) in change.rates.items()
        },
    }


def _rates_text(record: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{leaf} {rate['old'] or '-'} -> {rate['new'] or '-'}"
        + (f" ({rate['percent']} %)" if rate["percent"] else "")
        for leaf, rate in record["rates"].items()
    )
