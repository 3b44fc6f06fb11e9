"""`explain`, `charges` and `entries`: what the ledger knows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    form_of,
    print_csv,
    print_json,
    print_table,
    say,
    tell,
)
from otel_genai_cost.cli.selecting import selecting, since_us
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.charge import Explanation, charges, explain
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.reports.receipt import charge_record, entry_json, receipt_record, receipt_text
from otel_genai_cost.reports.selection import Selection

__all__ = ["register"]

_CHARGE: Final = (
    "occurred",
    "charge_id",
    "tenant",
    "model",
    "status",
    "amount",
    "currency",
    "response_id",
)
_CHARGE_CSV: Final = (*_CHARGE, "total")
_FOUND: Final = ("occurred", "charge_id", "tenant", "model", "amount", "currency")
_SEQ_MAX: Final = 2**63 - 1
_ENTRY: Final = ("seq", "booked", "charge_id", "cause", "tenant", "amount", "currency")
_NUMBERS: Final = frozenset({"seq", "amount"})


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="explain")(_explain)
    app.command(name="charges")(selecting(_charges))
    app.command(name="entries")(selecting(_entries, without=("since",)))


def _explain(
    id: Annotated[  # noqa: A002 -- the argument's name in the help
        str,
        typer.Argument(
            help="A charge, observation, span or trace id, or its first 8 digits; or a provider's response id."
        ),
    ],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The receipt: every observation that told of a call, and each line's arithmetic."""
    home = Home.to_read(ledger)
    found = explain(home.ledger(), id) if home.fresh() else []
    if not found:
        raise ConfigurationError(
            "nothing in the ledger has this id",
            value=id,
            where=str(home.folder),
            remedy="give at least 8 hex digits of a charge, observation, span or trace id, or a whole response id",
        )
    if as_json:
        print_json(receipt_record(one, home.book_of()) for one in found)
    elif len(found) > 1 and all(_is_response(one, id) for one in found):
        _list(found)
    else:
        say("\n\n".join(receipt_text(one, home.book_of()) for one in found))


def _is_response(found: Explanation, asked: str) -> bool:
    return any(one.observation.reading.response_id == asked for one in found.asked)


def _list(found: Sequence[Explanation]) -> None:
    """Several charges of one response id, to choose from."""
    charged = [one.charge for one in found if one.charge is not None]
    records = [record for charge in charged for record in charge_record(charge)]
    print_table(_FOUND, _rows(_FOUND, records), right=_NUMBERS)
    tell(f"{len(found)} calls have this response id; `genai-cost explain CHARGE_ID` shows one")


def _charges(
    selection: Selection,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """The net of each charge."""
    form, home = form_of(as_json=as_json, as_csv=as_csv), Home.to_read(ledger)
    found = charges(home.ledger()) if home.fresh() else iter(())
    records = (
        record
        for charge in found
        for position, record in zip(charge.positions, charge_record(charge), strict=True)
        if selection.has(position)
    )
    _print(home, selection, _CHARGE_CSV if form == "csv" else _CHARGE, records, form)


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
    seq, selection = _since(since, selection)
    found: Iterable[Entry] = home.ledger().entries(seq) if home.fresh() else ()
    records = (entry_json(entry) for entry in found if _is_of(entry, selection))
    _print(home, selection, _ENTRY, records, form)


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


def _print(
    home: Home,
    selection: Selection,
    columns: Sequence[str],
    records: Iterator[dict[str, Any]],
    form: Form,
) -> None:
    """Records as they come, or the table of all; why, if there are none."""
    first = next(records, None)
    every = records if first is None else _chain(first, records)
    if form == "json":
        print_json(every)
    elif form == "csv":
        print_csv(columns, every)
    elif first is not None:
        print_table(columns, _rows(columns, every), right=_NUMBERS)
    if first is None:
        home.tell_why_nothing(selection)


def _chain(first: dict[str, Any], others: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    yield from others


def _rows(columns: Sequence[str], records: Iterable[dict[str, Any]]) -> list[list[str]]:
    return [[_cell(name, record) for name in columns] for record in records]


def _cell(name: str, record: dict[str, Any]) -> str:
    """An amount that is unknown is no 0, and what is known of one is marked as such."""
    status = record.get("status", "priced")
    if name == "amount" and status != "priced":
        return "-" if status == "unpriced" else f">= {record[name]}"
    return "-" if record[name] is None else str(record[name])
