"""`explain`, `charges` and `entries`: what the ledger knows."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption, JsonOption
from otel_genai_cost.cli.output import print_csv, print_json, print_table, say
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.charge import charges, explain
from otel_genai_cost.reports.receipt import charge_record, entry_json, receipt_record, receipt_text

__all__ = ["register"]

_CHARGE: Final = ("occurred", "charge_id", "tenant", "model", "status", "amount", "currency")
_SEQ_MAX: Final = 2**63 - 1
_ENTRY: Final = ("seq", "booked", "charge_id", "cause", "tenant", "amount", "currency")
CsvOption = Annotated[bool, typer.Option("--csv", help="CSV with a head.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="explain")(_explain)
    app.command(name="charges")(_charges)
    app.command(name="entries")(_entries)


def _explain(
    id: Annotated[  # noqa: A002 -- the argument's name in the help
        str, typer.Argument(help="A charge, observation, span or trace id, or its first 8 digits.")
    ],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The receipt: every observation that told of a call, and each line's arithmetic."""
    home = Home.at(ledger)
    home.fresh()
    found = explain(home.ledger(), id)
    if not found:
        raise ConfigurationError(
            "nothing in the ledger has this id",
            value=id,
            where=str(home.folder),
            remedy="give at least 8 hex digits of a charge, observation, span or trace id",
        )
    if as_json:
        print_json(receipt_record(one, home.book_of()) for one in found)
        return
    say("\n\n".join(receipt_text(one, home.book_of()) for one in found))


def _charges(
    ledger: HomeOption = None, as_json: JsonOption = False, as_csv: CsvOption = False
) -> None:
    """The net of each charge."""
    home = Home.at(ledger)
    home.fresh()
    records = (record for charge in charges(home.ledger()) for record in charge_record(charge))
    if as_json:
        print_json(records)
    elif as_csv:
        print_csv(_CHARGE, records)
    else:
        rows = [[str(record[name] or "-") for name in _CHARGE] for record in records]
        print_table(_CHARGE, rows, right=frozenset({"amount"}))


def _entries(
    since: Annotated[
        int, typer.Option(min=0, max=_SEQ_MAX, help="Only entries after this seq.")
    ] = 0,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """The ledger as booked: signed, append-only."""
    home = Home.at(ledger)
    home.fresh()
    records = (entry_json(entry) for entry in home.ledger().entries(since))
    if as_json:
        print_json(records)
    elif as_csv:
        print_csv(_ENTRY, records)
    else:
        rows = [[str(record[name] or "-") for name in _ENTRY] for record in records]
        print_table(_ENTRY, rows, right=frozenset({"seq", "amount"}))
