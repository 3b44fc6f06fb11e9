"""Models: what a call and a thousand tokens of each cost, what caches saved, and what its prices were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple, cast

from markupsafe import Markup

from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.catalogue import history, price_record, resolved
from otel_genai_cost.reports.caching import CACHING_COLUMNS, caching_record
from otel_genai_cost.reports.price_steps import PriceLine, plot_prices, price_lines
from otel_genai_cost.reports.printable import shortened
from otel_genai_cost.reports.unit_costs import (
    UNIT_COLUMNS,
    UNITS_BY,
    unit_cost_record,
    unit_costs_of,
)

__all__ = ["view"]

_ROWS_MAX: Final = 50
_HISTORIES_MAX: Final = 3
_PRICES: Final = (
    *("provider", "model", "when", "from", "to", "rates", "currency", "recorded_at"),
    *("superseded_by", "source", "source_url", "seen_at"),
)
_SHOWN: Final = ("when", "from", "to", "rates", "recorded_at", "superseded_by", "source", "seen_at")
_PARTS: Final = ("models", "prices")


class History(NamedTuple):
    """What a model cost at which time.

    Attributes:
        name: of the provider and the model, as the book has them.
        records: its rows, as `genai-cost prices history` has them.
        lines: the leaves that are plotted, in the order of their colours.
        pictures: of each currency.
    """

    name: str
    records: Sequence[dict[str, Any]]
    lines: Sequence[PriceLine]
    pictures: Sequence[Markup]


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: which calls; the history of prices is of the models that are named.
        viewer: who asks.
    """
    records = _records(data, asked)
    is_cost = asked.selection.side == "cost"
    columns = (*UNIT_COLUMNS, *(CACHING_COLUMNS if is_cost else ()))
    histories = _histories(data.book(), records, asked, data.now_us) if viewer.sees_cost else []
    table = Table.of_records("models", columns, records)
    if asked.word("part", _PARTS) == "prices":
        rows = (one for each in histories for one in each.records)
        table = Table("prices", _PRICES, ([_flat(one[name]) for name in _PRICES] for one in rows))
    values = {
        "records": records[:_ROWS_MAX],
        "more": max(0, len(records) - _ROWS_MAX),
        "histories": histories,
        "price_columns": _SHOWN,
        "chosen": asked.selection.models,
        "sees_cost": viewer.sees_cost,
        "is_cost": is_cost,
    }
    return View("models.html", values, table)


def _records(data: Data, asked: Asked) -> list[dict[str, Any]]:
    """What is known of each model; of caches where it is asked for what calls cost us."""
    selection = asked.selection
    found = unit_costs_of(data.report(UNITS_BY, selection), data.tokens(UNITS_BY, selection))
    records = [unit_cost_record(one) for one in found]
    if selection.side != "cost":
        return records
    with closing(data.ledger()) as ledger:
        cached = data.caching(ledger, selection)
    nothing: dict[str, Any] = dict.fromkeys(CACHING_COLUMNS)
    for one, record in zip(found, records, strict=True):
        known = cached.get((one.provider, one.model, one.group.currency))
        record.update(nothing if known is None else caching_record(known))
    return records


def _histories(
    book: Book, records: Iterable[dict[str, Any]], asked: Asked, now_us: int
) -> list[History]:
    """Of the models that are named, as far as the book knows them."""
    if not asked.selection.models:
        return []
    named = dict.fromkeys(
        found
        for one in records
        if (found := resolved(book, one["provider"] or "", one["model"] or "")) is not None
    )
    return [_history(book, *found, now_us) for found in list(named)[:_HISTORIES_MAX]]


def _history(book: Book, provider: str, model: str, now_us: int) -> History:
    rows = history(book, provider, model)
    superseded = {row.supersedes: row.id for row in rows if row.supersedes}
    records = [{**price_record(row), "superseded_by": superseded.get(row.id)} for row in rows]
    lines, name = price_lines(rows), f"{provider}/{model}"
    pictures = [
        Markup(_picture([one for one in lines if one.currency == currency], name, now_us))
        for currency in dict.fromkeys(line.currency for line in lines)
    ]
    return History(name, records, lines, pictures)


def _picture(lines: Sequence[PriceLine], name: str, now_us: int) -> str:
    title = f"Prices of {shortened(name)} over time, {lines[0].currency} for a million tokens"
    narrow = plot_prices(lines, now_us, title, width=400, css="phone")
    return plot_prices(lines, now_us, title, css="desk") + narrow


def _flat(value: object) -> object:
    """Conditions and rates in one cell."""
    if not isinstance(value, dict):
        return value
    found = cast("Mapping[str, object]", value)
    return ", ".join(f"{key} {_word(one)}" for key, one in found.items())


def _word(value: object) -> object:
    if isinstance(value, dict):
        return cast("Mapping[str, object]", value)["price"]
    return "|".join(map(str, cast("list[object]", value))) if isinstance(value, list) else value
