"""`prices impact`: what a changed book, or changed contracts, would have done to the charges on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from otel_genai_cost.cli.home import Home, HomeOption, book_of, watched_contracts
from otel_genai_cost.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    cell,
    form_of,
    note,
    print_csv,
    print_json,
    print_table,
)
from otel_genai_cost.cli.prices.rows import BookOption
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.rerating.active_terms import Terms
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import Rerated, assess
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.catalogue import resolved
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.pricing.what_if import Model, WhatIf
from otel_genai_cost.reports.selection import Selection

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
    prices.command(name="impact")(selecting(_impact))


def _impact(
    selection: Selection,
    book: BookOption = None,
    contracts: Annotated[
        Path | None, typer.Option(help="Customers' contracts; default: those the ledger has.")
    ] = None,
    instead: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL=OTHER",
            help="Only calls of MODEL, and what OTHER would have cost: gpt-4o=gpt-4o-mini. Repeatable.",
        ),
    ] = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """What charges on disk would come to by a book and contracts, or as calls of another model, by tenant and model;
    nothing is booked."""
    form, agreed = form_of(as_json=as_json, as_csv=as_csv), watched_contracts(contracts)
    priced_by = book_of(book)
    what_if = WhatIf(priced_by, _replaced(priced_by, instead)) if instead else None
    home = Home.to_read(ledger)
    selection = joined(home, selection)
    found = home.ask(
        lambda opened: assess(
            opened,
            Terms(what_if or priced_by, agreed() if agreed else opened.contracts),
            Books(home.journals),
        )
    )
    sums = _summed(found, lambda one: selection.has(one) and _is_meant(one, what_if))
    _print(sums, form)
    if not sums:
        models = [text.partition("=")[0] for text in instead or ()]
        home.note_why_empty(selection, f" of {' or '.join(models)}" if models else "")
        return
    note(f"by book {priced_by.digest[:12]}; nothing was booked: that is `genai-cost rerate`")
    if what_if is not None:
        note("with the tokens that were used: another model may use others for the same work")


def _replaced(book: Book, instead: Sequence[str]) -> dict[Model, Model]:
    """What --instead says. Raises ConfigurationError for a model to price by that the book does not know."""
    found: dict[Model, Model] = {}
    for text in instead:
        model, equals, other = text.partition("=")
        if not (model and equals and other):
            raise ConfigurationError(
                "--instead names no two models", value=text, remedy="write gpt-4o=gpt-4o-mini"
            )
        of, by = _named(book, model), _named(book, other)
        _check_priced(book, by[0] or of[0], by[1])
        found[of] = by
    return found


def _check_priced(book: Book, provider: str | None, model: str) -> None:
    owners = list(book.names.providers) if provider is None else [provider]
    if any(resolved(book, owner, model) is not None for owner in owners):
        return
    near = ", ".join(book.suggest(provider, model)) or "no similar name"
    raise ConfigurationError(
        "the price book does not know this model",
        value=model,
        where="--instead",
        remedy=f"write MODEL or PROVIDER/MODEL; similar names: {near}",
    )


def _named(book: Book, text: str) -> Model:
    """PROVIDER/MODEL, or a model of any provider: names of models may have a slash of their own."""
    provider, slash, model = text.partition("/")
    if slash and provider.casefold() in book.names.providers:
        return provider, model
    return None, text


def _is_meant(position: Position, what_if: WhatIf | None) -> bool:
    if what_if is None:
        return True
    return what_if.taken_instead(position.provider, position.model) is not None


def _print(sums: Mapping[_Key, _Sums], form: Form) -> None:
    records = [_record(key, one) for key, one in sorted(sums.items(), key=_order)]
    if form == "json":
        print_json(records)
    elif form == "csv":
        print_csv(_COLUMNS, records)
    elif records:
        totals: dict[str, _Sums] = {}
        for (_, _, currency), one in sums.items():
            totals[currency] = totals.get(currency, _Sums()).plus(*one)
        footer = [{**_record(("all", "", key), one)} for key, one in totals.items()]
        rows, all_rows = (
            [[cell(one[name]) for name in _COLUMNS] for one in each] for each in (records, footer)
        )
        print_table(_COLUMNS, rows, right=_NUMBERS, footer=all_rows)


def _summed(found: Iterable[Rerated], is_meant: Callable[[Position], bool]) -> dict[_Key, _Sums]:
    sums: dict[_Key, _Sums] = {}

    def add(key: _Key, *more: int) -> None:
        sums[key] = sums.get(key, _Sums()).plus(*more)

    for one in found:
        for position in filter(is_meant, one.before):
            key = (position.attribution.tenant, position.model, position.currency)
            calls = position.calls
            add(key, calls, calls * one.changed, position.amount, 0, position.unpriced, 0)
        for position in filter(is_meant, one.after):
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
