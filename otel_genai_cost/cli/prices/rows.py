"""What the commands of `genai-cost prices` share: their arguments, and how price rows are printed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from otel_genai_cost.cli.output import cell, print_json, print_table
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.catalogue import resolved

__all__ = [
    "PROSE",
    "BookOption",
    "ContractsFlag",
    "ModelArgument",
    "cells",
    "model_named",
    "now_us",
    "print_rows",
]

BookOption = Annotated[
    Path | None,
    typer.Option("--book", help="Price book; default: the configured one with its overlays."),
]
ModelArgument = Annotated[str, typer.Argument(help="PROVIDER/MODEL, by any of their names.")]
ContractsFlag = Annotated[
    bool, typer.Option("--contracts", help="It holds contracts instead of prices.")
]
PROSE: Final = frozenset({"when", "rates"})
"""Columns that may wrap between words."""

_ROW: Final = ("model", "when", "from", "to", "rates")


def model_named(book: Book, named: str) -> tuple[str, str]:
    """Provider and model, by the book's names.

    Args:
        book: the price book.
        named: PROVIDER/MODEL, by any of their names.

    Raises:
        ConfigurationError: with similar names, if the book does not know it.
    """
    provider, _, model = named.partition("/")
    found = resolved(book, provider, model)
    if found is None:
        near = ", ".join(book.suggest(provider, model)) or "no similar name"
        raise ConfigurationError(
            "the price book does not know this model",
            value=named,
            remedy=f"write PROVIDER/MODEL; similar names: {near}",
        )
    return found


def print_rows(records: Iterable[Mapping[str, Any]], as_json: bool) -> None:
    """Price rows, as JSON or as a table."""
    if as_json:
        print_json(records)
    else:
        named = [{**r, "model": f"{r['provider']}/{r['model']}"} for r in records]
        rows = [cells(record, _ROW) for record in named]
        print_table(_ROW, rows, right=frozenset(), prose=PROSE)


def cells(record: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """A record's cells of a table."""
    return [_cell(column, record[column]) for column in columns]


def _cell(column: str, value: Any) -> str:
    if column == "rates":
        return ", ".join(f"{leaf} {rate['price']}" for leaf, rate in value.items()) or "refused"
    if column == "when":
        return ", ".join(f"{key}={_words(word)}" for key, word in value.items())
    if isinstance(value, bool):
        return "yes" if value else ""
    return cell(value).replace("T00:00:00Z", "")


def _words(value: object) -> str:
    return (
        "|".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    )


def now_us() -> int:
    """The present, as Unix microseconds."""
    return time.time_ns() // 1000
