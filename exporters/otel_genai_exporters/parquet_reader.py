"""Parquet, read by DuckDB: rows of a file, with decimals for what it has as binary numbers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from otel_genai_cost.errors import GenAICostError, MissingExtraError

__all__ = ["read_parquet"]


def read_parquet(path: Path) -> Iterator[dict[str, object]]:
    """The rows of a file, by the names of its columns.

    Args:
        path: of the file.

    Raises:
        GenAICostError: if it is none, or cut off.
        MissingExtraError: without duckdb.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("reading Parquet", "duckdb", "duckdb") from None
    try:
        found = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)])
        columns = [column[0] for column in found.description or ()]
        rows = found.fetchall()
    except duckdb.Error as error:
        raise GenAICostError(" | ".join(str(error).splitlines())) from None
    for row in rows:
        yield {name: _exact(value) for name, value in zip(columns, row, strict=True)}


def _exact(value: object) -> object:
    """A binary number as the shortest decimal that stands for it."""
    return Decimal(repr(value)) if isinstance(value, float) else value
