"""What the jobs of Flink say of a wrong configuration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.demo.processes import ROOT
from tests.streams.flink import pyflink

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

_JOBS: Final = ROOT / "stream-config" / "flink"
_SETTLEMENT: Final = ("job.py", "settlement.toml")
_ICEBERG: Final = ("iceberg.py", "iceberg.toml")


@pytest.mark.parametrize(
    ("job", "old", "new", "said"),
    [
        (
            _SETTLEMENT,
            'partition_by = "cell"',
            'partition_by = "tenant"',
            "it can be cell or trace",
        ),
        (_SETTLEMENT, 'group = "', 'groups = "', "missing or unknown: group, groups"),
        (_SETTLEMENT, "quiet_after_s = 30", 'quiet_after_s = "30"', "it must be int"),
        (_SETTLEMENT, "look_every_s = 86400", "look_every_s = 0", "1 is the least"),
        (_SETTLEMENT, "[kafka]", "[kafka", "not TOML"),
        (
            _ICEBERG,
            'table = "genai_cost.stream_entries"',
            'table = "entries"',
            "must be namespace.name",
        ),
        (_ICEBERG, "known_for_days = 40", 'known_for_days = "40"', "it must be int"),
        (_ICEBERG, "[catalog]", "[catalogue]", "missing or unknown: catalog, catalogue"),
    ],
)
def test_a_configuration_that_is_wrong_is_one_line_and_says_where(
    tmp_path: Path, job: tuple[str, str], old: str, new: str, said: str
) -> None:
    program, name = job
    text = (_JOBS / name).read_text("utf-8")
    assert old in text
    config = tmp_path / name
    config.write_text(text.replace(old, new), encoding="utf-8")
    done = subprocess.run(
        [pyflink(), _JOBS / program, "--config", config],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'exporters'}"},
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert str(config) in done.stderr
    assert said in done.stderr
