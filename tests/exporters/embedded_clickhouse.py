"""ClickHouse's engine inside a test's process. No package has ClickHouse's server; `chdb` has its engine, and
clickhouse-connect speaks to both by the same methods."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from otel_genai_exporters.clickhouse import ClickHouseSink
from tests.demo.processes import ROOT
from tests.environments.made import python_with

__all__ = ["NEEDS_CHDB", "clickhouse_in", "python_with_clickhouse"]

_CHDB: Final = ("chdb >= 4.4", "clickhouse-connect >= 1.12")
"""Some 600 MB; never installed beside the rest."""

_TESTS: Final = ("pytest >= 8", "pytest-timeout >= 2.3", "hypothesis >= 6.100", "psutil >= 6")

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


def python_with_clickhouse() -> Path:
    """The interpreter of an environment that has the engine, and what the tests of sinks need."""
    kept = ROOT / "build" / "environments"
    return python_with(kept, *_CHDB, *_TESTS, ours="[cli,fast,otlp-sink,postgresql,tokens]")
