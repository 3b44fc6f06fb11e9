"""`unpriced`: which calls have no total, why, and what would give them one."""

from __future__ import annotations

from typing import Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import (
    CsvOption,
    JsonOption,
    form_of,
    note,
    print_csv,
    print_json,
    print_table,
)
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.unpriced import unpriced, unpriced_record

__all__ = ["register"]

_COLUMNS: Final = (
    "model",
    "reason",
    "lacks",
    "last",
    "charge_id",
    "calls",
    "at_least",
    "currency",
)
_CSV: Final = ("provider", *_COLUMNS, "partial", "first", "remedy")
_ID_DIGITS: Final = 16


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="unpriced")(selecting(_unpriced))


def _unpriced(
    selection: Selection,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Calls without a total, by model and reason, and the usage that lacks a rate."""
    form, home = form_of(as_json=as_json, as_csv=as_csv), Home.to_read(ledger)
    selection = joined(home, selection)
    found = home.ask(
        lambda opened: unpriced(charges(opened, opened.entries.unpriced_ids(0)), selection)
    )
    records = [unpriced_record(one) for one in found]
    if form == "json":
        print_json(records)
    elif form == "csv":
        print_csv(_CSV, ({**one, "lacks": " ".join(one["lacks"])} for one in records))
    elif records:
        print_table(
            _COLUMNS, [_row(one) for one in records], right=frozenset({"calls", "at_least"})
        )
        for remedy in dict.fromkeys(f"{one['reason']}: {one['remedy']}" for one in records):
            note(remedy)
    if not home.has_ledger:
        home.note_why_empty(selection)
    elif not records:
        note(f"no call {selection} in {home.folder} is without a price")


def _row(one: dict[str, Any]) -> list[str]:
    return [
        f"{one['provider'] or '-'}/{one['model'] or '-'}",
        one["reason"] or "-",
        ", ".join(one["lacks"]) or "-",
        one["last"][:19] + "Z",
        one["charge_id"][:_ID_DIGITS],
        f"{one['calls']:,}",
        one["at_least"] or "-",
        one["currency"],
    ]
