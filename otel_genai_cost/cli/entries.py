"""`entries`: the ledger as it was written."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import CsvOption, JsonOption, form_of
from otel_genai_cost.cli.records import show_records
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.entry import Entry, entry_json
from otel_genai_cost.reports.asking import since_us
from otel_genai_cost.reports.selection import Selection

__all__ = ["register"]

_COLUMNS: Final = ("seq", "booked", "charge_id", "cause", "tenant", "amount", "currency")
_SEQ_MAX: Final = 2**63 - 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="entries")(selecting(_entries, without=("since",)))


def _entries(
    selection: Selection,
    since: Annotated[
        str,
        typer.Option(
            help="Only entries after this seq; or of calls since today, yesterday or a date."
        ),
    ] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """The ledger as booked: signed, append-only."""
    form, home = form_of(as_json=as_json, as_csv=as_csv), Home.to_read(ledger)
    seq, selection = _since(since, joined(home, selection))
    found = home.ask(lambda ledger: ledger.entries.since(seq))
    records = (entry_json(entry) for entry in found if _is_of(entry, selection))
    show_records(records, _COLUMNS, form, home, selection)


def _since(text: str, selection: Selection) -> tuple[int, Selection]:
    """The seq to begin after, and the selection, narrowed if a day is meant. Raises ConfigurationError."""
    if not text:
        return 0, selection
    if text.isdecimal() and text.isascii():
        if int(text[:20]) > _SEQ_MAX:
            raise ConfigurationError(
                "--since is no seq", value=text, remedy="see genai-cost entries"
            )
        return int(text), selection
    if selection.from_us is not None:
        raise ConfigurationError(
            "--since says when to begin, too", value=text, remedy="leave --from and --last out"
        )
    from_us = since_us("--since", text, selection.zone, time.time_ns() // 1000)
    return 0, selection._replace(from_us=from_us)


def _is_of(entry: Entry, selection: Selection) -> bool:
    labels = entry.attribution.labels
    return selection.has_call(
        entry.occurred_us, entry.attribution.tenant, entry.model, labels.get("feature")
    )
