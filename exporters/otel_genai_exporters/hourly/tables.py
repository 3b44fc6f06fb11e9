"""Entries as Parquet: written, put together and added up by DuckDB, the same bytes for the same entries."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.ledger.day_sums import DaySum, sums_in_rows
from otel_genai_cost.ledger.entry import Entry
from otel_genai_exporters.duckdb import duckdb_library
from otel_genai_exporters.entry_columns import COLUMNS, typed, values_of
from otel_genai_exporters.hourly.manifest import hour_of

__all__ = ["Batch", "Part", "put_together", "sums_in", "written_by_hour"]

_TYPES: Final = typed(
    {
        "text": "VARCHAR",
        "integer": "INTEGER",
        "bigint": "BIGINT",
        "money": "DECIMAL(38,18)",
        "instant": "TIMESTAMPTZ",
    }
)
_IN_LINES: Final = typed(
    {
        "text": "VARCHAR",
        "integer": "INTEGER",
        "bigint": "BIGINT",
        "money": "VARCHAR",
        "instant": "BIGINT",
    }
)
_HOUR: Final = "_hour"
_LINE_BYTES: Final = 1 << 20
_SETTINGS: Final = (
    "SET TimeZone = 'UTC'; SET memory_limit = '512MB'; SET preserve_insertion_order = true"
)
_COPY: Final = "(FORMAT parquet, COMPRESSION zstd)"


class Part(NamedTuple):
    """A file that was written: the entries of one hour."""

    hour: str
    first_seq: int
    last_seq: int
    entries: int
    path: Path


class Batch(NamedTuple):
    """Files by the hour, and the last entry of them all and when the last was booked."""

    parts: Sequence[Part]
    last_seq: int
    booked_us: int


@contextmanager
def _database() -> Generator[Any, None, None]:
    """One thread: rows of several would be grouped in the order in which they are done."""
    library = duckdb_library()
    db = library.connect(config={"threads": 1})
    try:
        db.execute(_SETTINGS)
        yield db
    except library.Error as error:
        raise GenAICostError(f"Parquet: {' | '.join(str(error).splitlines())}") from None
    finally:
        db.close()


def written_by_hour(entries: Iterable[Entry], folder: Path) -> Batch:
    """Write a file for each hour that calls of these entries occurred in.

    Args:
        entries: in order.
        folder: an empty one, for the files.

    Raises:
        GenAICostError: if an entry does not fit, or the files cannot be written.
    """
    lines = folder / "entries.jsonl"
    last_seq = booked_us = 0
    longest = _LINE_BYTES
    with lines.open("wb") as file:
        for entry in entries:
            line = encode_lossy({**values_of(entry), _HOUR: hour_of(entry.occurred_us)})
            longest = max(longest, len(line))
            file.write(line + b"\n")
            last_seq, booked_us = entry.seq, max(booked_us, entry.booked_us)
    if not last_seq:
        return Batch((), 0, 0)
    with _database() as db:
        db.execute(f"CREATE TABLE entries AS SELECT {_CAST}, {_HOUR} FROM {_read(lines, longest)}")
        hours = db.execute(
            f"SELECT {_HOUR}, min(seq), max(seq), count(*) FROM entries GROUP BY 1 ORDER BY 1"
        ).fetchall()
        parts = [
            Part(hour, first, last, entries_in, folder / f"{hour}.parquet")
            for hour, first, last, entries_in in hours
        ]
        for part in parts:
            select = f"SELECT {_NAMES} FROM entries WHERE {_HOUR} = '{part.hour}' ORDER BY seq"
            db.execute(f"COPY ({select}) TO {_text(part.path)} {_COPY}")
    return Batch(parts, last_seq, booked_us)


def put_together(files: Sequence[Path], hour: str, to: Path) -> Part:
    """Write one file of several.

    Args:
        files: of one hour.
        hour: it.
        to: the file.

    Raises:
        GenAICostError: if they cannot be read, or it not be written.
    """
    with _database() as db:
        source = f"read_parquet({_list(files)}, hive_partitioning = false, union_by_name = true)"
        first, last, entries = db.execute(
            f"SELECT min(seq), max(seq), count(*) FROM {source}"
        ).fetchone()
        db.execute(f"COPY (SELECT * FROM {source} ORDER BY seq) TO {_text(to)} {_COPY}")
    return Part(hour, first, last, entries, to)


def sums_in(files: Sequence[Path], upto_seq: int, *, by_tenant: bool) -> list[DaySum]:
    """The sums of what stands in files.

    Args:
        files: which.
        upto_seq: the last entry that counts.
        by_tenant: whether days are told apart by tenant.

    Raises:
        GenAICostError: if they cannot be read.
    """
    whose = "tenant" if by_tenant else "NULL"
    source = f"read_parquet({_list(files)}, hive_partitioning = false, union_by_name = true)"
    with _database() as db:
        rows = db.execute(
            "SELECT CAST(occurred AT TIME ZONE 'UTC' AS DATE) - DATE '1970-01-01' AS day, currency, count(*),"
            f" CAST(sum(amount) AS VARCHAR), {whose} AS whose FROM {source} WHERE seq <= ? GROUP BY ALL",
            [upto_seq],
        ).fetchall()
    return sums_in_rows(rows)


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(map(_text, files)) + "]"


def _read(lines: Path, longest: int) -> str:
    columns = ", ".join(
        f"'{name}': '{kind}'" for name, kind in {**_IN_LINES, _HOUR: "VARCHAR"}.items()
    )
    return (
        f"read_json({_text(lines)}, maximum_object_size = {longest}, format = 'newline_delimited',"
        f" hive_partitioning = false, columns = {{{columns}}})"
    )


def _cast_of(name: str) -> str:
    if COLUMNS[name] == "instant":
        return f"make_timestamptz({name}) AS {name}"
    return f"CAST({name} AS {_TYPES[name]}) AS {name}" if COLUMNS[name] == "money" else name


_NAMES: Final = ", ".join(COLUMNS)
_CAST: Final = ", ".join(map(_cast_of, COLUMNS))
