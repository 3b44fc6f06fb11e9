"""The tables of the sink for ClickHouse: entries, their sums by minute, and how far the sink is."""

from __future__ import annotations

import re
from typing import Final

from otel_genai_exporters.entry_columns import COLUMNS, typed

__all__ = ["ENTRY_COLUMNS", "STATEMENTS", "TABLES", "has_window"]

WINDOW: Final = 1_000
"""So many inserts back a table knows what it has already; one batch is under way at a time."""

TABLES: Final = ("entries", "entries_by_minute", "entries_position")

_FEW_VALUES: Final = frozenset(
    {
        *(
            "cause",
            "tenant_source",
            "absent",
            "initiator",
            "plan",
            "feature",
            "service",
            "provider",
        ),
        *(
            "model",
            "operation",
            "reason",
            "quality",
            "book",
            "flags",
            "contracts",
            "price_currency",
        ),
    }
)
_TYPES: Final = typed(
    {
        "text": "Nullable(String) CODEC(ZSTD)",
        "integer": "Int32 CODEC(ZSTD)",
        "bigint": "Int64 CODEC(ZSTD)",
        "money": "Decimal(38, 18) CODEC(ZSTD)",
        "instant": "DateTime64(6, 'UTC') CODEC(Delta, ZSTD)",
    }
)
_OWN_TYPES: Final = {
    "seq": "Int64 CODEC(Delta, ZSTD)",
    "id": "String CODEC(ZSTD)",
    "charge_id": "String CODEC(ZSTD)",
    "currency": "LowCardinality(String)",
    **dict.fromkeys(_FEW_VALUES, "LowCardinality(Nullable(String))"),
}
ENTRY_COLUMNS: Final = {name: _OWN_TYPES.get(name, _TYPES[name]) for name in COLUMNS}

_SETTINGS: Final = (
    f"allow_nullable_key = 1, non_replicated_deduplication_window = {WINDOW},"
    " fsync_after_insert = 1, fsync_part_directory = 1"
)
"""Both tables need the window: else a batch that comes again is summed again. What was acknowledged is on the disk."""

_ENTRIES: Final = (
    "CREATE TABLE IF NOT EXISTS {database}.entries (\n    "
    + ",\n    ".join(f"{name} {kind}" for name, kind in ENTRY_COLUMNS.items())
    + ",\n    INDEX entries_seq seq TYPE minmax GRANULARITY 1\n)"
    " ENGINE = MergeTree PARTITION BY toYYYYMM(occurred) ORDER BY (toStartOfHour(occurred), tenant, occurred)\n"
    f"SETTINGS {_SETTINGS}"
)
_KEY: Final = ("minute", "tenant", "currency", "price_currency")
_BY_MINUTE: Final = (
    "CREATE TABLE IF NOT EXISTS {database}.entries_by_minute (\n"
    "    minute DateTime('UTC') CODEC(Delta, ZSTD),\n"
    "    tenant Nullable(String) CODEC(ZSTD),\n"
    "    currency LowCardinality(String),\n"
    "    price_currency LowCardinality(Nullable(String)),\n"
    "    entries Int64 CODEC(ZSTD),\n"
    "    calls Int64 CODEC(ZSTD),\n"
    "    unpriced Int64 CODEC(ZSTD),\n"
    "    input_tokens Int64 CODEC(ZSTD),\n"
    "    output_tokens Int64 CODEC(ZSTD),\n"
    "    amount Decimal(76, 18) CODEC(ZSTD),\n"
    "    price Decimal(76, 18) CODEC(ZSTD)\n)"
    f" ENGINE = SummingMergeTree PARTITION BY toYYYYMM(minute) ORDER BY ({', '.join(_KEY)})\n"
    f"SETTINGS {_SETTINGS}"
)
_TO_MINUTE: Final = (
    "CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.entries_to_minute TO {database}.entries_by_minute AS\n"
    "SELECT toStartOfMinute(occurred) AS minute, tenant, currency, price_currency,\n"
    "    toInt64(count()) AS entries, sum(calls) AS calls, sum(unpriced) AS unpriced,\n"
    "    sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,\n"
    "    sum(toDecimal256(entries.amount, 18)) AS amount, sum(toDecimal256(entries.price, 18)) AS price\n"
    f"FROM {{database}}.entries GROUP BY {', '.join(_KEY)}"
)
_POSITION: Final = (
    "CREATE TABLE IF NOT EXISTS {database}.entries_position (\n"
    "    one UInt8,\n"
    "    turn UInt64,\n"
    "    ledger_id String,\n"
    "    seq Int64,\n"
    "    begun Int64,\n"
    "    filling String,\n"
    "    at DateTime64(6, 'UTC') DEFAULT now64(6)\n)"
    " ENGINE = ReplacingMergeTree(turn) ORDER BY one\n"
    "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
)


_REPLICATED: Final = re.compile("Replicated|Shared")
_NO_WINDOW: Final = re.compile(r"\breplicated_deduplication_window = 0\b")
_WINDOW: Final = re.compile("non_replicated_deduplication_window = [1-9]")


def has_window(engine: str) -> bool:
    """Whether a table notices an insert that comes again.

    Args:
        engine: as `system.tables` tells it, with its settings: replicated ones have a window unless they say otherwise.
    """
    if _REPLICATED.search(engine.partition("(")[0].partition(" ")[0]):
        return _NO_WINDOW.search(engine) is None
    return _WINDOW.search(engine) is not None


STATEMENTS: Final = (_POSITION, _ENTRIES, _BY_MINUTE, _TO_MINUTE)
"""What makes the tables that are not there, the view last; `{database}` is where."""
