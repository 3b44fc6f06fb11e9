"""Entries as Parquet: written, put together and added up by DuckDB, the same bytes for the same entries."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.day_sums import DaySum, sums_in_rows
from otel_genai_cost.ledger.entry import Entry
from otel_genai_exporters.duckdb import duckdb_library
from otel_genai_exporters.duckdb_lines import Lines, cast_of, sql_text
from otel_genai_exporters.entry_columns import COLUMNS
from otel_genai_exporters.hourly.manifest import hour_of

__all__ = ["Batch", "Part", "put_together", "sums_in", "written_by_hour"]

_HOUR: Final = "_hour"
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
    lines = Lines(folder / "entries.jsonl", entries, {_HOUR: _hour_of})
    if not lines.last_seq:
        return Batch((), 0, 0)
    with _database() as db:
        db.execute(f"CREATE TABLE entries AS SELECT {_CAST}, {_HOUR} FROM {lines.read_json}")
        hours = db.execute(
            f"SELECT {_HOUR}, min(seq), max(seq), count(*), epoch_us(max(booked)) FROM entries GROUP BY 1 ORDER BY 1"
        ).fetchall()
        parts = [
            Part(hour, first, last, entries_in, folder / f"{hour}.parquet")
            for hour, first, last, entries_in, _ in hours
        ]
        for part in parts:
            select = f"SELECT {_NAMES} FROM entries WHERE {_HOUR} = '{part.hour}' ORDER BY seq"
            db.execute(f"COPY ({select}) TO {sql_text(part.path)} {_COPY}")
    return Batch(parts, lines.last_seq, max(booked_us for *_, booked_us in hours))


def _hour_of(entry: Entry) -> str:
    return hour_of(entry.occurred_us)


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
        source = _read(files)
        first, last, entries = db.execute(
            f"SELECT min(seq), max(seq), count(*) FROM {source}"
        ).fetchone()
        db.execute(f"COPY (SELECT * FROM {source} ORDER BY seq) TO {sql_text(to)} {_COPY}")
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
    source = _read(files)
    with _database() as db:
        rows = db.execute(
            "SELECT CAST(occurred AT TIME ZONE 'UTC' AS DATE) - DATE '1970-01-01' AS day, currency, count(*),"
            f" CAST(sum(amount) AS VARCHAR), {whose} AS whose FROM {source} WHERE seq <= ? GROUP BY ALL",
            [upto_seq],
        ).fetchall()
    return sums_in_rows(rows)


def _read(files: Sequence[Path]) -> str:
    names = ", ".join(map(sql_text, files))
    return f"read_parquet([{names}], hive_partitioning = false, union_by_name = true)"


_NAMES: Final = ", ".join(COLUMNS)
_CAST: Final = ", ".join(cast_of(name, "make_timestamptz") for name in COLUMNS)
