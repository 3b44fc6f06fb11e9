"""Spark, which Databricks is, reads both tables to the last digit, and what it compacts is fed on where it was."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.lakehouse.delta import DeltaSink
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from tests.exporters.entries import entries
from tests.lakehouse.read_back import as_text, booked, by_day
from tests.lakehouse.rest_catalog import rest_catalog

pytest.importorskip("pyiceberg")
pytest.importorskip("deltalake")
pytestmark = pytest.mark.timeout(1000)


def test_spark_reads_both_and_compacts_them(tmp_path: Path) -> None:
    if "SPARK_PYTHON" not in os.environ:
        pytest.skip("no Spark: see tests/environments/test_lakehouse_in_spark.py")
    with rest_catalog(tmp_path / "catalog") as address:
        sinks = (IcebergSink(tmp_path / "i", uri=address), DeltaSink(tmp_path / "delta"))
        every = booked()
        for sink in sinks:
            sink.append("ledger-1", every[:11])
            sink.append("ledger-1", every)
        program = Path(__file__).with_name("spark_program.py")
        jars = Path(os.environ["SPARK_JARS"]).glob("*.jar")
        # Spark has a Scala of its own.
        beside = ",".join(str(one) for one in jars if "scala-library" not in one.name)
        done = subprocess.run(
            [os.environ["SPARK_PYTHON"], program, beside, address, tmp_path / "delta"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4_000:]
        found = json.loads(done.stdout.splitlines()[-1])
        for when in ("before", "after"):
            for kind in ("iceberg", "delta"):
                assert as_text(found[when][kind]) == by_day(every), (when, kind)
        assert found["snapshots"] == 1, "all of ours have expired"
        for sink in sinks:
            assert sink.mark() == Mark("ledger-1", 30)
            sink.append("ledger-1", every + entries(1, first=31))
            assert sum(day.entries for day in sink.days(99)) == 31
