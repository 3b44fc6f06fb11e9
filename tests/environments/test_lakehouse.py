"""Iceberg and Delta tables pass the contract of sinks and their own tests, and are read by other programs, where their
libraries are, which are 400 MB; DuckDB reads them by extensions, which are made for another version than ours."""

from __future__ import annotations

import os
import subprocess
from typing import Final

import pytest

from tests.demo.processes import ROOT
from tests.environments.made import python_with
from tests.lakehouse.environment import KEPT, python_with_lakehouse

__all__ = ["in_lakehouse"]

pytestmark = [pytest.mark.environments, pytest.mark.timeout(1200)]

_FILES: Final = ("tables", "readers", "rest_catalog", "two_sinks")
_READER: Final = (
    "duckdb == 1.5.5",
    "duckdb-extension-avro == 1.5.5",
    "duckdb-extension-delta == 1.5.5",
    "duckdb-extension-iceberg == 1.5.5",
)


@pytest.mark.parametrize("which", ["iceberg", "delta"])
def test_tables_keep_the_contract(which: str) -> None:
    in_lakehouse("tests/exporters/test_sink_contract.py", "-k", which)
    in_lakehouse("tests/exporters/test_full_disk.py", "-k", which)


@pytest.mark.parametrize("which", ["iceberg", "delta"])
def test_tables_lose_nothing_in_a_store_that_refuses(which: str) -> None:
    in_lakehouse("tests/exporters/test_refusing_stores.py", "-k", which)


def test_tables_are_exact_and_read_by_others() -> None:
    reader = python_with(KEPT, *_READER, "pytz", ours=None)
    files = (f"tests/lakehouse/test_{name}.py" for name in _FILES)
    in_lakehouse(*files, DUCKDB_WITH_EXTENSIONS=str(reader))


def in_lakehouse(*words: str, **variables: str) -> None:
    """Run tests where the libraries are.

    Args:
        words: what pytest is told.
        variables: set for it.
    """
    python = python_with_lakehouse()
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
