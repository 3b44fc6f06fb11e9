"""A bill and a ledger compared: what is asked of the store, and in whose words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.pricing.book import Book, Refusal
from otel_genai_cost.reconciliation.around import Around
from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.calls import Calls, InWords
from otel_genai_cost.reconciliation.currency import Convert, converted
from otel_genai_cost.reconciliation.names import counts_requests, words_of
from otel_genai_cost.reconciliation.ours import key_column, ours, selection_of_days
from otel_genai_cost.reconciliation.quantities import with_quantities
from otel_genai_cost.reconciliation.reconcile import Question, Reconciled, reconcile

__all__ = ["Compared", "compare"]


class Compared(NamedTuple):
    """Every cell; the column of ours that stood for the bill's keys, None if nothing did; the currencies of the bill
    that nothing converts to that of the books; and which calls are behind a cell."""

    cells: list[Reconciled]
    key: str | None
    without_rate: frozenset[str]
    calls: Calls


def _no_rates(amount: int, base: str, quote: str, at_us: int) -> int | None:
    return None


def compare(
    store: Queryable,
    book: Book,
    billed: Mapping[Cell, Billed],
    *,
    providers: Sequence[str],
    zone: tzinfo,
    days: tuple[str, str],
    key: str | None = None,
    finds_key: bool = True,
    convert: Convert = _no_rates,
) -> Compared:
    """A bill's cells beside the ledger's.

    Args:
        store: what holds the entries.
        book: knows what models' names stand for.
        billed: the bill.
        providers: whose calls it bills, as booked; none are all.
        zone: whose days it counts.
        days: the first and the last day of it.
        key: the column of ours that stands for its keys.
        finds_key: whether one is looked for, if none is named.
        convert: by what exchange rates the bill is brought to the currency of the books.
    """
    selection = selection_of_days(days, zone)
    if key is None and finds_key:
        keys = {cell.key for cell in billed if cell.key is not None}
        key = key_column(store, selection, providers, sorted(keys))
    by_request = counts_requests(billed)
    have = ours(store, selection, providers, key, by_request)
    in_books = converted(billed, {one.currency for one in have}, convert, zone)
    words = words_of(in_books.cells, lambda name: _meant(book, providers, name))
    in_words = InWords(store, providers, zone, words, key, by_request)
    return Compared(
        reconcile(
            Question(
                billed=with_quantities(in_books.cells, have, words, zone),
                ours=have,
                zone=zone,
                words=words,
                calls_around=Around(in_words),
                from_day=days[0],
                to_day=days[1],
                knows_keys=key is not None,
                without_rate=in_books.without_rate,
            )
        ),
        key,
        in_books.without_rate,
        Calls(in_words),
    )


def _meant(book: Book, providers: Sequence[str], model: str) -> str | None:
    """What a model's name stands for in the book, at any of the providers."""
    for provider in providers or sorted({provider for provider, _ in book.document.parts()}):
        found = book.tariff(provider, model)
        if not isinstance(found, Refusal):
            return found.model
    return None
