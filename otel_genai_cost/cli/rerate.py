"""`rerate`: every charge again, by other prices or contracts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import (
    ContractsOption,
    Home,
    HomeOption,
    book_of,
    watched_contracts,
)
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.ledger.rerating.active_terms import Terms
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import Difference, rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.asking import instant
from otel_genai_cost.reports.selection import EVERYTHING

__all__ = ["register"]


_Row = tuple[str, str, str]
"""Tenant, model and currency."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="rerate")(_rerate)


def _rerate(
    book: Annotated[
        Path | None, typer.Option(help="Price book; default: the configured one, else the wheel's.")
    ] = None,
    known_on: Annotated[
        str, typer.Option(help="Only rows recorded until this instant, RFC 3339.")
    ] = "",
    contracts: ContractsOption = None,
    contracts_only: Annotated[
        bool, typer.Option("--contracts-only", help="Keep the list prices as booked.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Show the differences, and post nothing.")] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rate every charge again; differences are booked beside the originals."""
    terms_of = _terms_of(book, known_on, contracts, contracts_only)
    home = Home.to_read(ledger)
    if not home.fresh():
        home.note_why_empty(EVERYTHING)
        return
    with writer_lock(home.folder):
        opened = Ledger(home.folder / LEDGER_FILE)
        terms = terms_of(opened)
        found = list(
            rerate(
                opened,
                terms.book,
                Books(home.journals),
                now_us=time.time_ns() // 1000,
                dry_run=dry_run,
                contracts=terms.contracts,
            )
        )
        opened.close()
    if not dry_run:
        home.ship(contracts=contracts)
    if as_json:
        print_json(_difference_record(one) for one in found)
        return
    for line in _summary(found):
        say(line)
    note(f"{len(found)} charge(s) {'would change' if dry_run else 'changed'}; {_terms_text(terms)}")


def _terms_of(
    book: Path | None, known_on: str, contracts: Path | None, contracts_only: bool
) -> Callable[[Ledger], Terms]:
    """What to rate by; everything that a person wrote is read, and refused, before anything is done."""
    if contracts_only and (book or known_on):
        raise ConfigurationError(
            "--contracts-only keeps the list prices", remedy="leave --book and --known-on out"
        )
    known_us = instant("--known-on", known_on)
    priced_by = None if contracts_only else book_of(book)
    if priced_by is not None and known_us is not None:
        priced_by = priced_by.as_known_on(known_us)
    agreed = watched_contracts(contracts)

    def terms(ledger: Ledger) -> Terms:
        return Terms(priced_by, agreed() if agreed else ledger.contracts)

    return terms


def _terms_text(terms: Terms) -> str:
    book = "list prices as booked" if terms.book is None else f"book {terms.book.digest[:12]}"
    return f"{book}, contracts {terms.contracts.digest[:12]}" if terms.contracts.digest else book


def _difference_record(difference: Difference) -> dict[str, Any]:
    last = difference.entries[-1]
    return {
        "charge_id": difference.charge_id,
        "tenant": last.attribution.tenant,
        "model": last.model,
        "difference": format_money(sum(entry.amount for entry in difference.entries)),
        "unpriced": sum(entry.unpriced for entry in difference.entries),
        "currency": last.currency,
        "price_difference": format_money(sum(entry.price for entry in difference.entries)),
        "price_currency": last.price_currency,
    }


def _summary(found: Iterable[Difference]) -> list[str]:
    """The differences by tenant and model; those of the price below, where they are others."""
    costs, prices = dict[_Row, int](), dict[_Row, int]()
    for difference in found:
        for entry in difference.entries:
            who = (entry.attribution.tenant or "-", entry.model or "-")
            for sums, currency, amount in (
                (costs, entry.currency, entry.amount),
                (prices, entry.price_currency, entry.price),
            ):
                key = (*who, currency)
                sums[key] = sums.get(key, 0) + amount
    rows = _rows(costs)
    if prices != costs:
        rows += ["", "of what customers pay:", *_rows(prices)]
    return rows


def _rows(sums: Mapping[_Row, int]) -> list[str]:
    return [
        f"{tenant:<24} {model:<32} {format_money(amount):>22} {currency}"
        for (tenant, model, currency), amount in sorted(sums.items())
    ]
