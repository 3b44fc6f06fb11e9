"""Rows of FOCUS as CSV, and as records that a writer of Parquet takes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.printable import csv_cell
from otel_genai_cost.statements.exports.focus_columns import Column, ColumnKind, Version, columns_of
from otel_genai_cost.statements.exports.focus_rows import Row

__all__ = ["SQL_TYPES", "focus_csv", "focus_records"]

SQL_TYPES: Final[dict[ColumnKind, str]] = {
    "text": "VARCHAR",
    "time": "TIMESTAMP WITH TIME ZONE",
    "money": "DECIMAL(38,18)",
    "quantity": "DECIMAL(38,6)",
    "integer": "BIGINT",
}
"""The type of each kind of column in Parquet."""

_ESCAPED: Final = re.compile(r"[^ -\[\]-~]")
_BMP_LAST: Final = 0xFFFF
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half a character: no encoding has it."""


def focus_csv(rows: Iterable[Row], version: Version) -> str:
    """The rows as CSV with a head; text in it is inert in a spreadsheet.

    Args:
        rows: of `focus_rows`.
        version: of FOCUS.
    """
    columns = columns_of(version)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    writer.writerows([csv_cell(_value(column, row, version)) for column in columns] for row in rows)
    return written.getvalue()


def focus_records(rows: Iterable[Row], version: Version) -> Iterator[str]:
    """The rows as lines of JSON, in which money and quantities are decimal strings.

    Args:
        rows: of `focus_rows`.
        version: of FOCUS.
    """
    columns = columns_of(version)
    for row in rows:
        yield json.dumps({column.name: _value(column, row, version) for column in columns})


def _value(column: Column, row: Row, version: Version) -> Any:
    value = row.get(column.name)
    if value is None or column.kind in ("time", "integer"):
        return value
    if column.kind == "text":
        return (
            _ascii(value)
            if version == "1.2"
            else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
        )
    text = format_money(value)
    return text if "." in text else f"{text}.0"


def _ascii(text: str) -> str:
    """As the validator of 1.2 wants text: what is not printable ASCII is escaped, so that no two names become one."""
    return _ESCAPED.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\u{code:04x}" if code <= _BMP_LAST else f"\\U{code:08x}"
