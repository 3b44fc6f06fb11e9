"""The sink for ClickHouse, in an environment that has ClickHouse's engine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.demo.processes import ROOT
from tests.environments.made import python_with
from tests.exporters.embedded_clickhouse import CHDB

pytestmark = pytest.mark.environments

_TESTS: Final = ("pytest >= 8", "pytest-timeout >= 2.3", "hypothesis >= 6.100", "psutil >= 6")


@pytest.fixture(scope="module")
def python() -> Path:
    kept = ROOT / "build" / "environments"
    return python_with(kept, *CHDB, *_TESTS, ours="[cli,fast,otlp-sink,postgresql,tokens]")


@pytest.mark.parametrize(
    ("place", "least"),
    [("tests/exporters/test_sink_contract.py", 6), ("tests/exporters/test_clickhouse.py", 20)],
)
def test_sink_keeps_to_its_contract(python: Path, place: str, least: int) -> None:
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        place,
        "-k",
        "clickhouse",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) passed", done.stdout)
    assert found and int(found[1]) >= least, done.stdout
    assert "skipped" not in done.stdout, done.stdout
