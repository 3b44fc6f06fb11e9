"""What the settlement job says of a wrong configuration. What it settles is a row of `tests/faults/scale_flink.py`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.demo.processes import ROOT
from tests.streams.flink import pyflink

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

_JOB: Final = ROOT / "stream-config" / "flink"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('partition_by = "cell"', 'partition_by = "tenant"', "it can be cell or trace"),
        ('group = "', 'groups = "', "missing or unknown: group, groups"),
        ("quiet_after_s = 30", 'quiet_after_s = "30"', "it must be int"),
        ("[kafka]", "[kafka", "not TOML"),
    ],
)
def test_a_configuration_that_is_wrong_is_one_line_and_says_where(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    config = tmp_path / "settlement.toml"
    text = (_JOB / "settlement.toml").read_text("utf-8")
    assert old in text
    config.write_text(text.replace(old, new), encoding="utf-8")
    done = subprocess.run(
        [pyflink(), _JOB / "job.py", "--config", config],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert str(config) in done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
