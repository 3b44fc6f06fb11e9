"""Prints the entries of a ledger's DuckDB file after a seq as CSV, for PostgreSQL or ClickHouse to load.

    python entries_csv.py FOLDER/charges.duckdb 0 | psql "$DATABASE" -c '\\copy entries FROM STDIN (FORMAT csv, HEADER)'

What is missing is an empty cell, an empty text is `""`, money has all its digits.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from otel_genai_exporters.duckdb import COLUMNS, DuckDBSink

_AT_ONCE = 50_000


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str):  # PostgreSQL takes no zero byte in text
        return '"' + value.replace("\0", "\N{REPLACEMENT CHARACTER}").replace('"', '""') + '"'
    return str(value)


def lines(path: Path, after: int) -> Iterator[str]:
    """The head, and a line for each entry after a seq, in their order."""
    sink = DuckDBSink(path)
    yield ",".join(COLUMNS)
    found: Sequence[Sequence[Any]] = [[after]]
    while found:
        query = f"SELECT {', '.join(COLUMNS)} FROM entries WHERE seq > $1 ORDER BY seq LIMIT $2"
        found = sink.query(query, [found[-1][0], _AT_ONCE]).rows
        yield from (",".join(map(_cell, row)) for row in found)


if __name__ == "__main__":
    for line in lines(Path(sys.argv[1]), int(sys.argv[2])):
        sys.stdout.buffer.write(f"{line}\n".encode())
