"""A bill and a ledger compared: what is asked of the store, and in whose words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta, tzinfo
from typing import NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.pricing.book import Book, Refusal
from otel_genai_cost.pricing.instants import midnight_us
from otel_genai_cost.reconciliation.around import Around
from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.names import words_of
from otel_genai_cost.reconciliation.ours import key_column, ours
from otel_genai_cost.reconciliation.reconcile import Question, Reconciled, reconcile
from otel_genai_cost.reports.selection import Selection

__all__ = ["Compared", "compare", "selection_of_days"]


class Compared(NamedTuple):
    """Every cell, and the column of ours that stood for the bill's keys; None if nothing did."""

    cells: list[Reconciled]
    key: str | None


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
    """
    selection = selection_of_days(days, zone)
    if key is None and finds_key:
        keys = {cell.key for cell in billed if cell.key is not None}
        key = key_column(store, selection, providers, sorted(keys))
    words = words_of(billed, lambda name: _meant(book, providers, name))
    return Compared(
        reconcile(
            Question(
                billed=billed,
                ours=ours(store, selection, providers, key),
                zone=zone,
                words=words,
                calls_around=Around(store, providers, zone, words, key),
                from_day=days[0],
                to_day=days[1],
                knows_keys=key is not None,
            )
        ),
        key,
    )


def selection_of_days(days: tuple[str, str], zone: tzinfo) -> Selection:
    """The calls of these days, the last included.

    Args:
        days: the first and the last.
        zone: whose.
    """
    first, last = (date.fromisoformat(day) for day in days)
    return Selection(
        from_us=midnight_us(first, zone),
        to_us=midnight_us(last + timedelta(days=1), zone),
        zone=zone,
    )


def _meant(book: Book, providers: Sequence[str], model: str) -> str | None:
    """What a model's name stands for in the book, at any of the providers."""
    for provider in providers or sorted({provider for provider, _ in book.document.parts()}):
        found = book.tariff(provider, model)
        if not isinstance(found, Refusal):
            return found.model
    return None
