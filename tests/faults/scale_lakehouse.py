"""Tables of the lakehouse, whose feeder is killed in the midst of batches, each of which comes again."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.row import Row
from tests.faults.scale_databases import killed_feeder
from tests.lakehouse.environment import python_with_lakehouse

__all__ = ["rows"]


def rows(short: bool) -> Iterator[Row]:
    """A row for each format."""
    python = python_with_lakehouse()
    for name, kind in (("an Iceberg table", "iceberg"), ("a Delta table", "delta")):
        yield killed_feeder(name, kind, python, "-", short)
