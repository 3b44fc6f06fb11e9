"""Sinks of files, on this machine and in an object store, whose feeder is killed in the midst of batches."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.exporters.object_stores import azure, s3
from tests.faults.row import Row
from tests.faults.scale_databases import killed_feeder

__all__ = ["rows"]


def rows(short: bool) -> Iterator[Row]:
    """A row for each store."""
    python = Path(sys.executable)
    yield killed_feeder("DuckDB", "duckdb", python, "", short)
    yield killed_feeder("Parquet in a folder", "parquet", python, "{}", short)
    for name, store in (("S3 (moto)", s3), ("Azure (Azurite)", azure)):
        with store() as bucket:
            to = json.dumps(dict(bucket.options))
            yield killed_feeder(f"Parquet in {name}", "parquet", python, to, short)
