"""`make demo` as a test: it ends with its own verdict, within its time, and leaves what it promises."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.demo.processes import ROOT, children
from tests.demo.stage import clean_environment

_PROMISED = {
    "journal",
    "ledger.sqlite",
    "charges.duckdb",
    "report.html",
    "spans.jsonl",
    "provider.jsonl",
    "capped",
}
_ENDS_WITHIN_S = 240


def _readme_report() -> set[str]:
    """The rows of the report that the README shows, apart from their spacing."""
    readme = (ROOT / "README.md").read_text("utf-8")
    block = readme.partition("$ genai-cost report --by tenant --ledger .demo")[2].partition("```")[
        0
    ]
    rows = {" ".join(line.split()) for line in block.splitlines()} - {""}
    assert len(rows) == 7
    return rows


def test_the_real_provider_needs_a_key(tmp_path: Path) -> None:
    environment = {**clean_environment(), "DEMO_REAL_OPENAI": "1"}
    with children() as started:
        command: list[str | Path] = [sys.executable, ROOT / "tests" / "demo" / "run.py", tmp_path]
        demo = started.start("demo", command, tmp_path / "demo.log", environment)
        assert demo.wait(_ENDS_WITHIN_S) == 2
        assert demo.output().count("\n") == 1 and "OPENAI_API_KEY" in demo.output()


def test_the_demo_holds_its_own_verdict(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with children() as started:
        command: list[str | Path] = [sys.executable, ROOT / "tests" / "demo" / "run.py", folder]
        demo = started.start("demo", command, tmp_path / "demo.log", clean_environment())
        assert demo.wait(_ENDS_WITHIN_S) == 0, demo.failed("failed")
        output = demo.output()
    assert "VERDICT: totals re-add exactly, and equal what the provider billed" in output
    assert "no cap was exceeded" in output and "the budget is used up" in output
    assert {path.name for path in folder.iterdir()} >= _PROMISED
    assert _readme_report() <= {" ".join(line.split()) for line in output.splitlines()}
    for shown in ("run/summarise", "cache_read", "reasoning", "unknown_model", "duplicate"):
        assert shown in output, shown
