"""`prices list|show|history|diff|stale`: looking into the price book."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from otel_genai_cost.cli.home import JsonOption, book_of, tell
from otel_genai_cost.cli.output import print_json, print_table, say
from otel_genai_cost.cli.selecting import instant
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.catalogue import (
    Change,
    ages,
    changes,
    history,
    in_force,
    names_of_model,
    price_record,
    resolved,
)
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.load import load_book

__all__ = ["BookOption", "register"]

BookOption = Annotated[
    Path | None,
    typer.Option("--book", help="Price book; default: the configured one with its overlays."),
]
_ModelArgument = Annotated[str, typer.Argument(help="PROVIDER/MODEL, by any of their names.")]
_ROW: Final = ("model", "when", "from", "to", "rates")
_PROSE: Final = frozenset({"when", "rates"})


def register(prices: typer.Typer) -> None:
    """Add the commands to `genai-cost prices`."""
    commands: Mapping[str, Callable[..., None]] = {
        "list": _list,
        "show": _show,
        "history": _history,
        "diff": _diff,
        "stale": _stale,
    }
    for name, command in commands.items():
        prices.command(name=name)(command)


def _list(
    provider: Annotated[str, typer.Option(help="Only this provider's.")] = "",
    at: Annotated[str, typer.Option(help="In force then, RFC 3339; default: now.")] = "",
    book: BookOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every price in force."""
    prices, at_us = book_of(book), instant("--at", at) or _now_us()
    known = prices.names.providers.get(provider.casefold()) if provider else None
    if provider and known is None:
        near = ", ".join(prices.suggest(provider, None))
        raise ConfigurationError("unknown provider", value=provider, remedy=f"similar: {near}")
    rows = (row for row in in_force(prices, at_us) if known in (None, row.provider))
    _print_rows([price_record(row) for row in rows], as_json)


def _show(model: _ModelArgument, book: BookOption = None, as_json: JsonOption = False) -> None:
    """One model: its names, and its prices now."""
    prices = book_of(book)
    provider, name = _resolved(prices, model)
    names = names_of_model(prices, provider, name)
    found = [
        row for row in in_force(prices, _now_us()) if (row.provider, row.model) == (provider, name)
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
    _print_rows([price_record(row) for row in found], as_json)


def _history(model: _ModelArgument, book: BookOption = None, as_json: JsonOption = False) -> None:
    """Every row of a model: when it held, when it was learned, what corrected it."""
    prices = book_of(book)
    rows = history(prices, *_resolved(prices, model))
    superseded = {row.supersedes: row.id for row in rows if row.supersedes}
    records = [{**price_record(row), "superseded_by": superseded.get(row.id)} for row in rows]
    if as_json:
        print_json(records)
        return
    columns = ("from", "to", "recorded_at", "when", "rates", "superseded_by")
    print_table(
        columns, [_cells(record, columns) for record in records], right=frozenset(), prose=_PROSE
    )


def _resolved(book: Book, named: str) -> tuple[str, str]:
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
    print_table(columns, rows, right=frozenset(), prose=_PROSE)
    tell(f"{len(found)} row(s) differ")


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


def _stale(
    days: Annotated[
        int | None, typer.Option(min=0, help="Older than this; default: the setting's.")
    ] = None,
    book: BookOption = None,
    as_json: JsonOption = False,
) -> None:
    """How long ago somebody looked at each provider's prices, the oldest first."""
    limit = load_settings().settings.stale_book_days if days is None else days
    now_us = _now_us()
    records = [
        {
            "provider": age.provider,
            "rows": age.rows,
            "newest": rfc3339(age.newest_us),
            "days": age.days(now_us),
            "stale": age.days(now_us) > limit,
        }
        for age in ages(book_of(book))
    ]
    if as_json:
        print_json(records)
        return
    columns = ("provider", "rows", "newest", "days", "stale")
    rows = [_cells(record, columns) for record in records]
    print_table(columns, rows, right=frozenset({"rows", "days"}))


def _print_rows(records: Iterable[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(records)
    else:
        named = [{**r, "model": f"{r['provider']}/{r['model']}"} for r in records]
        rows = [_cells(record, _ROW) for record in named]
        print_table(_ROW, rows, right=frozenset(), prose=_PROSE)


def _cells(record: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    return [_cell(column, record[column]) for column in columns]


def _cell(column: str, value: Any) -> str:
    if column == "rates":
        return ", ".join(f"{leaf} {rate['price']}" for leaf, rate in value.items()) or "refused"
    if column == "when":
        return ", ".join(f"{key}={_words(word)}" for key, word in value.items())
    if isinstance(value, bool):
        return "yes" if value else ""
    return "-" if value is None else str(value).replace("T00:00:00Z", "")


def _words(value: object) -> str:
    return (
        "|".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    )


def _now_us() -> int:
    return time.time_ns() // 1000
