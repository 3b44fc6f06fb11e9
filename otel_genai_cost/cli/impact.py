"""`prices impact`: what a changed book, or changed contracts, would have done to the charges on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from otel_genai_cost.cli.home import Home, HomeOption, JsonOption, book_of, tell, watched_contracts
from otel_genai_cost.cli.output import print_json, print_table
from otel_genai_cost.cli.prices import BookOption
from otel_genai_cost.ledger.rerate import Books, Rerated, Terms, assess
from otel_genai_cost.pricing.money import format_money

__all__ = ["register"]

_COLUMNS: Final = (
    "tenant",
    "model",
    "charges",
    "changed",
    "before",
    "after",
    "difference",
    "currency",
    "unpriced_before",
    "unpriced_after",
)
_NUMBERS: Final = frozenset(_COLUMNS) - {"tenant", "model", "currency"}


class _Sums(NamedTuple):
    charges: int = 0
    changed: int = 0
    before: int = 0
    after: int = 0
    unpriced_before: int = 0
    unpriced_after: int = 0

    def plus(self, *more: int) -> _Sums:
        return _Sums(*(a + b for a, b in zip(self, more, strict=True)))


_Key = tuple[str | None, str | None, str]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="impact")(_impact)


def _impact(
    book: BookOption = None,
    contracts: Annotated[
        Path | None, typer.Option(help="Customers' contracts; default: those the ledger has.")
    ] = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What every charge on disk would come to by a book and contracts, by tenant and model; nothing is booked."""
    priced_by, agreed = book_of(book), watched_contracts(contracts)
    home = Home.at(ledger)
    home.fresh()
    opened = home.ledger()
    terms = Terms(priced_by, agreed() if agreed else opened.contracts)
    books = Books(home.journals)
    found = assess(opened, terms, books)
    records = [_record(key, sums) for key, sums in sorted(_summed(found).items(), key=_order)]
    opened.close()
    if as_json:
        print_json(records)
        return
    rows = [[str(record[name]) for name in _COLUMNS] for record in records]
    print_table(_COLUMNS, rows, right=_NUMBERS)
    tell(f"by book {priced_by.digest[:12]}; nothing was booked: that is `genai-cost rerate`")


def _summed(found: Iterable[Rerated]) -> dict[_Key, _Sums]:
    sums: dict[_Key, _Sums] = {}

    def add(key: _Key, *more: int) -> None:
        sums[key] = sums.get(key, _Sums()).plus(*more)

    for one in found:
        for position in one.before:
            key = (position.attribution.tenant, position.model, position.currency)
            calls = position.calls
            add(key, calls, calls * one.changed, position.amount, 0, position.unpriced, 0)
        for position in one.after:
            key = (position.attribution.tenant, position.model, position.currency)
            add(key, 0, 0, 0, position.amount, 0, position.unpriced)
    return sums


def _order(item: tuple[_Key, _Sums]) -> tuple[int, str, str, str]:
    """The largest difference first."""
    (tenant, model, currency), sums = item
    return (-abs(sums.after - sums.before), tenant or "", model or "", currency)


def _record(key: _Key, sums: _Sums) -> dict[str, Any]:
    tenant, model, currency = key
    return {
        "tenant": tenant,
        "model": model,
        "charges": sums.charges,
        "changed": sums.changed,
        "before": format_money(sums.before),
        "after": format_money(sums.after),
        "difference": format_money(sums.after - sums.before),
        "currency": currency,
        "unpriced_before": sums.unpriced_before,
        "unpriced_after": sums.unpriced_after,
    }
