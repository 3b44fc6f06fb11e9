"""Adding rows to a registry in TOML or CSV: at its end, so that what a person wrote there stays as it is."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.tenants.check import COLUMNS, rows_of
from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.ledger.tenants.file import KINDS, written_in
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.whole_files import alone_in

__all__ = ["append_rows", "cells_of", "locked", "rows_in", "statement_of"]

_INSTANTS: Final = ("from", "to")

_CSV: Final = ".csv"
_HEAD: Final = tuple(column for column in COLUMNS if column != "zone")
"""Of a file that is begun: instants have their offsets."""


@contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Keep everybody else from adding rows to a registry meanwhile. Its folder is made if it is not there.

    Args:
        path: the registry's file.

    Raises:
        ConfigurationError: if it is none to which rows can be added.
        OSError: if its folder cannot be made or read.
    """
    if path.suffix not in KINDS:
        raise ConfigurationError(
            "rows are added only to a registry in TOML or CSV",
            value=str(path),
            remedy="change it where it comes from, or name a .toml file in OTEL_GENAI_COST_TENANTS",
        )
    with alone_in(path.parent):
        yield


def rows_in(path: Path) -> list[TenantRow]:
    """The rows of a registry's file; none if it is not there yet.

    Raises:
        ConfigurationError: if it cannot be read.
        TenantsError: with every problem, if it is broken.
    """
    return rows_of(written_in(path)) if path.exists() else []


def append_rows(path: Path, known: Sequence[TenantRow], rows: Iterable[TenantRow]) -> int:
    """Add those rows that are not there yet, all or none. A crash leaves the file as it was.

    Args:
        path: the registry's file, locked by the caller.
        known: the rows that are in it.
        rows: to be added.

    Returns:
        How many were added.

    Raises:
        TenantsError: with every problem, if the rows contradict each other or those that are there.
        ConfigurationError: if a file of CSV has no column for what a row says.
        OSError: if the file cannot be written.
    """
    facts = [row.facts for row in known]
    fresh = [row for row in rows if row.facts not in facts]
    directory_of([*known, *fresh])
    if fresh:
        text = path.read_bytes().decode("utf-8") if path.exists() else ""
        added = _with_lines if path.suffix == _CSV else _with_tables
        _replace(path, added(text, fresh))
    return len(fresh)


def _with_tables(text: str, rows: Sequence[TenantRow]) -> str:
    text = f"{text.rstrip()}\n\n" if text.strip() else ""
    return text + "\n".join(map(_table, rows))


def _with_lines(text: str, rows: Sequence[TenantRow]) -> str:
    """In the file's own columns, and with its own ends of lines."""
    ending = "\r\n" if "\r\n" in text else "\n"
    written = io.StringIO(newline="")
    known = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")  # with which spreadsheets begin
    head = [name.strip() for name in next(csv.reader(io.StringIO(known, newline="")), _HEAD)]
    lines = csv.DictWriter(written, head, lineterminator=ending)
    if not known.strip():
        lines.writeheader()
    for row in rows:
        cells = cells_of(row)
        missing = [name for name in cells if name not in head]
        if missing:
            raise ConfigurationError(
                f"the registry has no column {', '.join(missing)}",
                value=row.tenant,
                remedy="add it to the first line of the file",
            )
        lines.writerow(cells)
    begun = text.rstrip("\r\n") + ending if known.strip() else text
    return begun + written.getvalue()


def cells_of(row: TenantRow) -> dict[str, str]:
    """What a row says, by column, as text.

    Args:
        row: one row.
    """
    words = {"aliases": " ".join(row.aliases), "parent": row.parent, "merged_into": row.merged_into}
    if row.revenue is not None:
        words["revenue"] = f"{format_money(row.revenue.amount)} {row.revenue.currency}"
    end = "" if row.to_us is None else rfc3339(row.to_us)
    head = {"tenant": row.tenant, "from": rfc3339(row.from_us), "to": end}
    return {
        name: text
        for name, text in {**head, **row.words, **words, **row.billing.cells()}.items()
        if text
    }


def statement_of(rows: Iterable[TenantRow], table: str) -> str:
    """The statement that adds rows to a table of a database, as any of them takes it.

    Args:
        rows: to be added.
        table: its name.
    """
    return "".join(_insert(cells_of(row), table) for row in rows)


def _insert(cells: Mapping[str, str], table: str) -> str:
    names = ", ".join(f'"{name}"' for name in cells)
    values = ", ".join("'" + text.replace("'", "''") + "'" for text in cells.values())
    return f"INSERT INTO {table} ({names}) VALUES ({values});\n"


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.new")
    with aside.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        aside.chmod(path.stat().st_mode & 0o777)
    aside.replace(path)


def _table(row: TenantRow) -> str:
    """A row as a person would write it."""
    cells = cells_of(row)
    values = {name: text if name in _INSTANTS else _string(text) for name, text in cells.items()}
    if row.aliases:
        values["aliases"] = f"[{', '.join(map(_string, row.aliases))}]"
    if row.billing.billing_ids:
        pairs = (f"{vendor} = {_string(name)}" for vendor, name in row.billing.billing_ids)
        values["billing_ids"] = f"{{{', '.join(pairs)}}}"
    lines = [f"{key} = {values[key]}\n" for key in _HEAD if key in values]
    return "[[tenant]]\n" + "".join(lines)


def _string(text: str) -> str:
    """Strings of JSON are strings of TOML, but for the one control character that only TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
