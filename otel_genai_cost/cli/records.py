"""Records of the ledger as they come, one a line, or as a table; and why, if there are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.output import Form, cell, print_csv, print_json, print_table
from otel_genai_cost.reports.selection import Selection

__all__ = ["print_rows", "show_records"]

_NUMBERS: Final = frozenset({"seq", "amount"})


def show_records(
    records: Iterator[Mapping[str, Any]],
    columns: Sequence[str],
    form: Form,
    home: Home,
    selection: Selection,
) -> None:
    """Print records; if there are none, say on stderr what was looked at.

    Args:
        records: what a command found, in its order; JSON and CSV are written while they come.
        columns: those of CSV and of the table; JSON has every key.
        form: how the command answers.
        home: where it looked.
        selection: the calls it was asked for.
    """
    first = next(records, None)
    every = records if first is None else chain((first,), records)
    if form == "json":
        print_json(every)
    elif form == "csv":
        print_csv(columns, every)
    elif first is not None:
        print_rows(columns, every)
    if first is None:
        home.note_why_empty(selection)


def print_rows(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """The table of records."""
    rows = [[_cell(name, record) for name in columns] for record in records]
    print_table(columns, rows, right=_NUMBERS)


def _cell(name: str, record: Mapping[str, Any]) -> str:
    """An amount that is unknown is no 0, and what is known of one is marked as such."""
    status = record.get("status", "priced")
    if name == "amount" and status != "priced":
        return "-" if status == "unpriced" else f">= {record[name]}"
    return cell(record[name])
