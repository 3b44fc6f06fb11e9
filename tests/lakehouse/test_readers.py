"""What other programs read in our tables is the ledger's, to the last digit: Polars, DuckDB without and with its own
extensions for both formats, each day apart."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from otel_genai_cost.ledger.entry import Entry
from otel_genai_exporters.lakehouse.delta import DeltaSink
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from tests.lakehouse.read_back import ByDay, as_text, booked, by_day

pytest.importorskip("pyiceberg")
pytest.importorskip("deltalake")


@pytest.fixture
def iceberg(tmp_path: Path) -> IcebergSink:
    sink = IcebergSink(tmp_path / "iceberg")
    _feed(sink.append)
    return sink


@pytest.fixture
def delta(tmp_path: Path) -> DeltaSink:
    sink = DeltaSink(tmp_path / "delta")
    _feed(sink.append)
    return sink


def _feed(append: Callable[[str, list[Entry]], None]) -> None:
    """In two batches, the second again."""
    every = booked()
    append("ledger-1", every[:11])
    append("ledger-1", every)
    append("ledger-1", every)


_SUMS: Final = """
    SELECT CAST(CAST(occurred AT TIME ZONE 'UTC' AS DATE) AS VARCHAR), count(*), CAST(sum(amount) AS VARCHAR)
    FROM {} GROUP BY ALL
"""


def test_polars_reads_an_iceberg_table(iceberg: IcebergSink) -> None:
    polars = import_module("polars")
    found = polars.scan_iceberg(iceberg._table())
    assert _by_polars(found) == by_day(booked())


def test_polars_reads_a_delta_table(delta: DeltaSink) -> None:
    polars = import_module("polars")
    found = polars.scan_delta(delta._table())
    assert _by_polars(found) == by_day(booked())


def _by_polars(rows: Any) -> ByDay:
    polars = import_module("polars")
    day = polars.col("occurred").dt.convert_time_zone("UTC").dt.date().cast(polars.String)
    sums = rows.group_by(day.alias("of")).agg(polars.len(), polars.col("amount").sum()).collect()
    return as_text(sums.rows())


def test_duckdb_reads_the_files_of_an_iceberg_table(iceberg: IcebergSink) -> None:
    files = [
        one.file.file_path.removeprefix("file://") for one in iceberg._table().scan().plan_files()
    ]
    assert _by_duckdb(files) == by_day(booked())


def test_duckdb_reads_the_files_of_a_delta_table(delta: DeltaSink) -> None:
    files = [one.removeprefix("file://") for one in delta._table().file_uris()]
    assert _by_duckdb(files) == by_day(booked())


def _by_duckdb(files: list[str]) -> ByDay:
    with duckdb.connect() as database:
        # `sum` of the type that `amount` has would not fit more than 38 digits, and says so.
        return as_text(database.execute(_SUMS.format("read_parquet(?)"), [files]).fetchall())


_PROGRAM: Final = """
import duckdb, json, sys
from importlib.resources import files
table, statement = sys.argv[1:]
database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
for name in ("avro", "iceberg", "delta"):
    place = files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    database.execute(f"LOAD '{place}'")
print(json.dumps(database.execute(statement.format(table)).fetchall()))
"""


@pytest.fixture
def extended() -> str:
    """A Python whose DuckDB has the extensions, which the caller names: they are made for another version than ours."""
    found = os.environ.get("DUCKDB_WITH_EXTENSIONS")
    if not found:
        pytest.skip(
            "DUCKDB_WITH_EXTENSIONS names no Python: see tests/environments/test_lakehouse.py"
        )
    return found


def test_duckdbs_extension_reads_an_iceberg_table(iceberg: IcebergSink, extended: str) -> None:
    place = str(iceberg.metadata_location).removeprefix("file://")
    assert _by_extension(extended, f"iceberg_scan('{place}')") == by_day(booked())


def test_duckdbs_extension_reads_a_delta_table(delta: DeltaSink, extended: str) -> None:
    found = _by_extension(extended, f"delta_scan('{delta._table().table_uri}')")
    assert found == by_day(booked())


def _by_extension(python: str, table: str) -> ByDay:
    done = subprocess.run(
        [python, "-c", _PROGRAM, table, _SUMS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return as_text(json.loads(done.stdout))
