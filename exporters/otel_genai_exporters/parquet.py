"""Tables of records as Parquet, by DuckDB: typed, and the same bytes for the same records."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from otel_genai_cost.errors import MissingExtraError
from otel_genai_exporters.duckdb_lines import sql_text

__all__ = ["write_parquet"]


def write_parquet(records: Iterable[str], columns: Mapping[str, str], path: Path) -> None:
    """Write a table.

    Args:
        records: an object of JSON each; decimals and times in it are strings.
        columns: the SQL type of each column, in the order of the table.
        path: the file, replaced if it is there.

    Raises:
        MissingExtraError: without duckdb.
        OSError: if it cannot be written.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("Parquet", "duckdb", "cli") from None
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "records.jsonl"
        with lines.open("w", encoding="utf-8") as file:
            file.writelines(f"{record}\n" for record in records)
        # One thread: rows of several would be grouped in the order in which they are done.
        with duckdb.connect(config={"threads": 1}) as database:
            database.execute("SET TimeZone = 'UTC'")
            types = ", ".join(
                f"{sql_text(name)}: {sql_text(kind)}" for name, kind in columns.items()
            )
            read = (
                f"read_json({sql_text(lines)}, format = 'newline_delimited', columns = {{{types}}})"
            )
            try:
                database.execute(
                    f"COPY (SELECT * FROM {read}) TO {sql_text(path)} (FORMAT parquet, COMPRESSION zstd)"
                )
            except duckdb.IOException as error:
                raise OSError(str(error)) from None
