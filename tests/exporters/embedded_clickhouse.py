"""ClickHouse's engine inside a test's process. No package has ClickHouse's server; `chdb` has its engine, and
clickhouse-connect speaks to both by the same methods."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from otel_genai_exporters.clickhouse import ClickHouseSink

__all__ = ["CHDB", "NEEDS_CHDB", "clickhouse_in"]

CHDB: Final = ("chdb >= 4.4", "clickhouse-connect >= 1.12")
"""Some 600 MB; never installed beside the rest."""

NEEDS_CHDB: Final = pytest.mark.skipif(
    find_spec("chdb") is None,
    reason="chdb has an environment: tests/environments/test_clickhouse.py",
)


def clickhouse_in(folder: Path) -> ClickHouseSink:
    """A sink whose engine keeps its files in this folder.

    Args:
        folder: of the test.
    """
    address = f"chdb://{folder / 'clickhouse'}"
    return ClickHouseSink(folder / "clickhouse.sqlite", address, database="genai_cost")
