"""Entries as Arrow tables, from which both formats are written, and sums over what is read back from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, Final

from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import DaySum
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.entry_columns import COLUMNS, ColumnKind, row_of

__all__ = [
    "DAY",
    "ENTRIES_AT_ONCE",
    "SUMMED",
    "library",
    "row_schema",
    "said",
    "sums_of",
    "table_of",
    "with_day",
]

ENTRIES_AT_ONCE: Final = 50_000
"""A batch becomes a file for each day that it has calls of; longer ones are fewer files."""

DAY: Final = "day"
"""The UTC day of `occurred`, where a format has no partitions by what is worked out of a column."""

_SUM_DIGITS: Final = (76, 18)
"""Of an intermediate sum: one of the store's own width would turn over without a word."""

SUMMED: Final = ("occurred", "currency", "tenant", "amount")
"""The columns that sums by day are made of."""


_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


def library(name: str, feature: str) -> Any:
    """A module of the extra `lakehouse`.

    Args:
        name: of the module.
        feature: what it is needed for.

    Raises:
        MissingExtraError: without it.
    """
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtraError(feature, name.partition(".")[0], "lakehouse") from None


def said(error: Exception) -> str:
    """What a library says of a failure, in one line: some draw trees, in colours, and that of databases has the
    statement beside what the database said.

    Args:
        error: that it raised.
    """
    cause: object = getattr(error, "orig", None) or error
    words = " ".join(_COLOUR.sub("", str(cause)).replace("↳", ":").split()).replace(" :", ":")
    return f"{type(cause).__name__}: {words}"


def row_schema() -> Any:
    """The columns, as Arrow types them: money of 38 digits, times in UTC with their zone."""
    arrow = _arrow()
    return arrow.schema([(name, _arrow_type(kind)) for name, kind in COLUMNS.items()])


def _arrow() -> Any:
    return library("pyarrow", "a table of the lakehouse")


def _arrow_type(kind: ColumnKind) -> Any:
    arrow = _arrow()
    return {
        "text": arrow.string(),
        "integer": arrow.int32(),
        "bigint": arrow.int64(),
        "money": arrow.decimal128(38, 18),
        "instant": arrow.timestamp("us", tz="UTC"),
    }[kind]


def table_of(entries: Iterable[Entry], known_seq: int) -> Any:
    """An Arrow table of entries, a column for each of `COLUMNS`.

    Args:
        entries: in order.
        known_seq: those up to here are left out.

    Raises:
        ValueError: if an amount has more digits than a column of money.
    """
    rows = [row_of(entry) for entry in entries if entry.seq > known_seq]
    columns: Sequence[Sequence[object]] = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    kinds = zip(columns, COLUMNS.values(), strict=True)
    return _arrow().table([_array(*one) for one in kinds], schema=row_schema())


def _array(values: Sequence[object], kind: ColumnKind) -> Any:
    """Money from its decimal text, and instants from microseconds: neither ever is a float."""
    arrow = _arrow()
    wanted = _arrow_type(kind)
    if kind == "money":
        return arrow.array(values, arrow.string()).cast(wanted)
    if kind == "instant":
        return arrow.array(values, arrow.int64()).cast(wanted)
    return arrow.array(values, wanted)


def with_day(table: Any) -> Any:
    """The table with the day of each call as a column of its own.

    Args:
        table: as `table_of` makes it.
    """
    return table.append_column(DAY, table["occurred"].cast(_arrow().date32()))


def sums_of(batches: Iterable[Any], *, by_tenant: bool) -> list[DaySum]:
    """The sums of rows by day and currency, a few batches in memory at a time.

    Args:
        batches: of rows that have the columns of `SUMMED`.
        by_tenant: whether days are told apart by tenant.
    """
    arrow = _arrow()
    keys = [DAY, "currency", *(["tenant"] if by_tenant else [])]
    found: dict[tuple[Any, ...], tuple[int, int]] = {}
    every = iter(batches)
    while some := list(islice(every, 16)):
        rows = with_day(arrow.Table.from_batches([arrow.record_batch(one) for one in some]))
        wide = rows["amount"].cast(arrow.decimal256(*_SUM_DIGITS))
        rows = rows.select(keys).append_column("amount", wide)
        sums = rows.group_by(keys).aggregate([("amount", "sum"), ([], "count_all")])
        for one in sums.to_pylist():
            key = tuple(one[name] for name in keys)
            entries, amount = found.get(key, (0, 0))
            found[key] = (entries + one["count_all"], amount + parse_money(one["amount_sum"]))
    return [
        DaySum(key[0], key[1], *sums, key[2] if by_tenant else None) for key, sums in found.items()
    ]
