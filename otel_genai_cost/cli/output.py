"""Printing: JSON Lines, CSV, or a table for a person."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

__all__ = ["print_csv", "print_json", "print_table"]


def print_json(records: Iterable[Mapping[str, Any]]) -> None:
    """One object a line; escaped where the output's encoding is not UTF-8."""
    escaped = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    for record in records:
        sys.stdout.write(json.dumps(record, ensure_ascii=escaped) + "\n")


def print_csv(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """A head and a line for each record; nothing is an empty cell."""
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in record.items()} for record in records)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[str],
    footer: Sequence[Sequence[str]] = (),
) -> None:
    """A table; numbers to the right, sums below a rule. Wide on a terminal, plain when piped."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(column, justify=justify, no_wrap=column in right, overflow="fold")
    for n, row in enumerate(rows, start=1):
        table.add_row(*map(_plain, row), end_section=n == len(rows) and bool(footer))
    for row in footer:
        table.add_row(*map(_plain, row), style="bold")
    Console(soft_wrap=False, highlight=False, emoji=False).print(table)


def _plain(text: str) -> Any:
    """Text that is not markup, whatever a tenant is called."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))
