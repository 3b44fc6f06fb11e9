"""`prices impact`: what a changed book, or changed contracts, would have done to the charges on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

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
from otel_genai_cost.ledger.rerating.active_terms import Terms
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import assess
from otel_genai_cost.pricing.what_if import WhatIf
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.what_if import (
    IMPACT_COLUMNS,
    Impact,
    ImpactKey,
    all_of,
    impact_of,
    impact_record,
    impact_records,
    more_cached,
    replaced_models,
    share_in,
)

__all__ = ["register"]

_NUMBERS: Final = frozenset(IMPACT_COLUMNS) - {"tenant", "model", "currency"}


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
    cached: Annotated[
        str,
        typer.Option(
            metavar="SHARE",
            help="As if this share of plain input, 0 to 1, had been read from a cache: 0.8.",
        ),
    ] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """What charges on disk would come to by a book and contracts, as calls of another model, or with more input cached,
    by tenant and model; nothing is booked."""
    form, agreed = form_of(as_json=as_json, as_csv=as_csv), watched_contracts(contracts)
    priced_by = book_of(book)
    what_if = WhatIf(priced_by, replaced_models(priced_by, instead)) if instead else None
    used = more_cached(share_in(cached)) if cached else None
    home = Home.to_read(ledger)
    selection = joined(home, selection)
    found = home.ask(
        lambda opened: assess(
            opened,
            Terms(what_if or priced_by, agreed() if agreed else opened.contracts, used),
            Books(home.journals),
        )
    )
    sums = impact_of(found, selection, what_if)
    _print(sums, form)
    if not sums:
        models = [text.partition("=")[0] for text in instead or ()]
        home.note_why_empty(selection, f" of {' or '.join(models)}" if models else "")
        return
    note(f"by book {priced_by.digest[:12]}; nothing was booked: that is `genai-cost rerate`")
    if what_if is not None:
        note("with the tokens that were used: another model may use others for the same work")
    if used is not None:
        note("what such reads would have had written to a cache before is not in it")


def _print(sums: Mapping[ImpactKey, Impact], form: Form) -> None:
    records = impact_records(sums)
    if form == "json":
        print_json(records)
    elif form == "csv":
        print_csv(IMPACT_COLUMNS, records)
    elif records:
        footer = [impact_record(key, one) for key, one in all_of(sums).items()]
        rows, all_rows = (
            [[cell(one[name]) for name in IMPACT_COLUMNS] for one in each]
            for each in (records, footer)
        )
        print_table(IMPACT_COLUMNS, rows, right=_NUMBERS, footer=all_rows)
