"""Printing: JSON Lines, CSV, a table for a person, or plain lines. Nothing foreign reaches a terminal as it came."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Final, Literal

import typer

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.codec import encode_spaced
from otel_genai_cost.ledger.garbage import no_garbage_collection
from otel_genai_cost.reports.printable import csv_cell, escaped_json, printable

__all__ = [
    "CsvOption",
    "Form",
    "JsonOption",
    "cell",
    "form_of",
    "note",
    "print_csv",
    "print_json",
    "print_listed",
    "print_table",
    "say",
]

JsonOption = Annotated[bool, typer.Option("--json", help="JSON Lines, one object a line.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="CSV with a head.")]

Form = Literal["table", "json", "csv"]
"""How a command answers."""

_LINES_AT_ONCE: Final = 200


def form_of(*, as_json: bool, as_csv: bool) -> Form:
    """The one form that was asked for.

    Raises:
        ConfigurationError: for both at once.
    """
    if as_json and as_csv:
        raise ConfigurationError("--json and --csv exclude each other", remedy="pass one of them")
    return "json" if as_json else "csv" if as_csv else "table"


def say(text: str) -> None:
    """Lines of an answer; what is not printable in them is replaced."""
    sys.stdout.write("".join(f"{printable(line)}\n" for line in text.split("\n")))


def note(text: str) -> None:
    """Lines on stderr: something a person should know, beside the output."""
    sys.stderr.write("".join(f"{printable(line)}\n" for line in text.split("\n")))


def print_json(records: Iterable[Mapping[str, Any]]) -> None:
    """One object a line; escaped where the output's encoding is not UTF-8."""
    escaped = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    document = json.dumps if escaped else encode_spaced
    every, is_more = iter(records), True
    while is_more:
        lines: list[str] = []
        try:
            with no_garbage_collection():
                found = islice(every, _LINES_AT_ONCE)
                lines.extend(f"{escaped_json(document(record))}\n" for record in found)
        finally:  # what was found before an error is printed
            sys.stdout.write("".join(lines))
        is_more = len(lines) == _LINES_AT_ONCE


def print_csv(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """A head and a line for each record; nothing is an empty cell."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([csv_cell(record.get(name)) for name in columns] for record in records)


def print_listed(
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    right: frozenset[str],
    prose: frozenset[str] = frozenset(),
) -> None:
    """Records, or `none` where a person asked for a table of them.

    Args:
        records: what a command found, in its order.
        columns: those of the table; JSON has every key.
        as_json: whether JSON Lines were asked for.
        right: names of numbers, in this table or another one of the command.
        prose: names of sentences, likewise.
    """
    if as_json:
        print_json(records)
    elif not records:
        say("none")
    else:
        shown = set(columns)
        rows = [
            ["" if one[name] is None else str(one[name]) for name in columns] for one in records
        ]
        print_table(columns, rows, right=right & shown, prose=prose & shown)


def cell(value: object) -> str:
    """What a table shows of a value; what is unknown is no 0 and no empty cell."""
    return "-" if value is None else str(value)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[str],
    prose: frozenset[str] = frozenset(),
    footer: Sequence[Sequence[str]] = (),
) -> None:
    """A table that fits the terminal, or is as wide as it needs to be where it is piped.

    Args:
        columns: its heads.
        rows: a cell of text for each column.
        right: columns of numbers, which go to the right.
        prose: columns of sentences, which may be wrapped between words; no other cell is ever cut or wrapped.
        footer: sums, below a rule.
    """
    from otel_genai_cost.cli.table import Table

    table = Table(columns, rows, right=right, prose=prose, footer=footer)
    sys.stdout.write("".join(f"{line}\n" for line in table.lines()))
