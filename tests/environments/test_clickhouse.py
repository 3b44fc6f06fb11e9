"""The sink for ClickHouse, in an environment that has ClickHouse's engine."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.demo.processes import ROOT
from tests.exporters.embedded_clickhouse import python_with_clickhouse

pytestmark = pytest.mark.environments


@pytest.mark.parametrize(
    ("place", "least"),
    [
        ("tests/exporters/test_sink_contract.py", 7),
        ("tests/exporters/test_clickhouse.py", 39),
        ("tests/exporters/test_clickhouse_tenants.py", 1),
        ("tests/exporters/test_clickhouse_topic.py", 4),
    ],
)
def test_sink_keeps_to_its_contract(place: str, least: int) -> None:
    command = [
        str(python_with_clickhouse()),
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
