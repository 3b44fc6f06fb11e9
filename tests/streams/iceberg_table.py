"""The table that a job of Flink writes, as two other readers find it: the catalog's list of files by pyiceberg, and the
rows in those files by DuckDB."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.pricing.money import format_money
from otel_genai_exporters.entry_columns import COLUMNS, row_of

__all__ = ["TableRow", "rows_in", "wanted_rows"]

TableRow: TypeAlias = tuple[object, ...]
"""A value for each of `COLUMNS`: instants in microseconds, amounts as decimals."""

_FILES: Final = """
import json, sys
from pyiceberg.catalog import load_catalog
uri, name = sys.argv[1:]
catalog = load_catalog("lake", type="rest", uri=uri)
found = catalog.load_table(name).scan() if catalog.table_exists(name) else None
print(json.dumps([one.file.file_path for one in found.plan_files()] if found else []))
"""


def rows_in(python: Path, catalog: str, table: str) -> list[TableRow]:
    """All rows of a table.

    Args:
        python: an interpreter with pyiceberg.
        catalog: the address of a REST catalog.
        table: `namespace.name`.
    """
    done = subprocess.run(
        [python, "-W", "ignore", "-c", _FILES, catalog, table],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = [one.removeprefix("file:") for one in json.loads(done.stdout)]
    columns = (f"epoch_us({n})" if kind == "instant" else n for n, kind in COLUMNS.items())
    with duckdb.connect() as database:
        if not files:
            return []
        statement = f"SELECT {', '.join(columns)} FROM read_parquet(?) ORDER BY id"
        return database.execute(statement, [files]).fetchall()


def wanted_rows(entries: list[Entry]) -> list[TableRow]:
    """What is to be found of entries."""
    return [_row(one) for one in sorted(entries, key=lambda one: one.id)]


def _row(entry: Entry) -> TableRow:
    def money(atto: int) -> Any:
        return Decimal(format_money(atto))

    return row_of(entry, money)
