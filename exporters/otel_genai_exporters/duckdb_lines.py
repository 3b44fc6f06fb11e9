"""Entries as JSON Lines, from which DuckDB takes columns: decimals as text and times as microseconds, so that none of
them loses a digit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.whole_files import owner_only
from otel_genai_exporters.entry_columns import COLUMNS, typed, values_of

__all__ = ["MONEY", "Lines", "cast_of", "sql_text"]

MONEY: Final = "DECIMAL(38,18)"

_LINE_BYTES: Final = 1 << 20
"""The reader's buffers are twice as long as the longest line may be."""

_IN_LINES: Final = typed(
    {
        "text": "VARCHAR",
        "integer": "INTEGER",
        "bigint": "BIGINT",
        "money": "VARCHAR",
        "instant": "BIGINT",
    }
)
"""Money as text: the JSON reader takes fewer digits than the type holds."""

_NONE: Final[Mapping[str, Callable[[Entry], str]]] = MappingProxyType({})


class Lines:
    """Entries as JSON Lines in a file, over what a kill left of the last ones.

    Args:
        path: of the file.
        entries: in order.
        further: columns of text beside those of an entry.

    Attributes:
        last_seq: of the last of them; 0 without any.
        read_json: how a statement reads them.
    """

    def __init__(
        self,
        path: Path,
        entries: Iterable[Entry],
        further: Mapping[str, Callable[[Entry], str]] = _NONE,
    ) -> None:
        self.last_seq, longest = 0, _LINE_BYTES
        with open(path, "wb", opener=owner_only) as file:
            for entry in entries:
                values = values_of(entry)
                for name, made_of in further.items():
                    values[name] = made_of(entry)
                line = encode_lossy(values)
                longest = max(longest, len(line))
                file.write(line)
                file.write(b"\n")
                self.last_seq = entry.seq
        kinds = {**_IN_LINES, **dict.fromkeys(further, "VARCHAR")}
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items())
        # A folder may be called `tenant=acme`, which would else be every entry's tenant.
        self.read_json = (
            f"read_json({sql_text(path)}, maximum_object_size = {longest}, format = 'newline_delimited',"
            f" hive_partitioning = false, columns = {{{columns}}})"
        )


def cast_of(name: str, instant: str = "make_timestamp") -> str:
    """What makes a column of what stands in a line.

    Args:
        name: of the column.
        instant: the function that makes a time of microseconds.
    """
    kind = COLUMNS[name]
    if kind == "instant":
        return f"{instant}({name}) AS {name}"
    return f"CAST({name} AS {MONEY}) AS {name}" if kind == "money" else name


def sql_text(value: object) -> str:
    """A literal of SQL.

    Args:
        value: a text, or a path.
    """
    return "'" + str(value).replace("'", "''") + "'"
