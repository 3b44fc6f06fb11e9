"""The table of entries in PostgreSQL and in ClickHouse: the columns of the DuckDB file, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_genai_exporters.duckdb import COLUMNS

__all__ = ["clickhouse_table", "postgresql_table"]

_IN_POSTGRESQL: Final[Mapping[str, str]] = {
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "VARCHAR": "text",
    "TIMESTAMP": "timestamp",
    "DECIMAL(38,18)": "numeric(38, 18)",
}
_IN_CLICKHOUSE: Final[Mapping[str, str]] = {
    "BIGINT": "Int64",
    "INTEGER": "Int32",
    "VARCHAR": "Nullable(String)",
    "TIMESTAMP": "DateTime64(6, 'UTC')",
    "DECIMAL(38,18)": "Decimal(38, 18)",
}
_HEAD: Final = "-- Entries of the ledger, in the columns of its DuckDB file. Times are UTC; counts are signed.\n"
_KEPT: Final = {"id": "String", "charge_id": "String", "currency": "LowCardinality(String)"}


def postgresql_table() -> str:
    """The statements that make it, where it is not there."""
    lines = [f"    {name} {_IN_POSTGRESQL[kind]}" for name, kind in COLUMNS.items()]
    lines[0] += " PRIMARY KEY"
    return (
        f"{_HEAD}CREATE TABLE IF NOT EXISTS entries (\n"
        + ",\n".join(lines)
        + "\n);\nCREATE INDEX IF NOT EXISTS entries_occurred ON entries (occurred);\n"
        "CREATE INDEX IF NOT EXISTS entries_charge ON entries (charge_id);\n"
    )


def clickhouse_table() -> str:
    """The same for ClickHouse, in the order of time."""
    lines = [
        f"    {name} {_KEPT.get(name, _IN_CLICKHOUSE[kind])}" for name, kind in COLUMNS.items()
    ]
    return (
        f"{_HEAD}CREATE TABLE IF NOT EXISTS entries (\n"
        + ",\n".join(lines)
        + "\n) ENGINE = MergeTree ORDER BY (occurred, seq);\n"
    )
