"""`make demo` as a test: it ends with its own verdict, within its time, and leaves what it promises."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.demo.processes import ROOT, children

_PROMISED = {
    "journal",
    "ledger.sqlite",
    "charges.duckdb",
    "report.html",
    "spans.jsonl",
    "provider.jsonl",
}
_ENDS_WITHIN_S = 100


def test_the_demo_holds_its_own_verdict(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with children() as started:
        command = [sys.executable, ROOT / "tests" / "demo" / "run.py", folder]
        demo = started.start("demo", command, tmp_path / "demo.log", os.environ)
        assert demo.wait(_ENDS_WITHIN_S) == 0, demo.failed("failed")
        output = demo.output()
    assert "VERDICT: totals re-add exactly, and equal what the provider billed" in output
    assert {path.name for path in folder.iterdir()} >= _PROMISED
    for shown in ("run/summarise", "unknown_model", "duplicate", "unattributed", "initech"):
        assert shown in output, shown
