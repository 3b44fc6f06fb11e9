"""The alert rules: each is of figures that there are, fires for what it is for, and says what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from otel_genai_exporters.otlp.sums import MEASURES

ROOT = Path(__file__).resolve().parents[2]
_RULES, _CASES = ROOT / "monitoring" / "alerts.yaml", ROOT / "monitoring" / "alerts.test.yaml"
_FIGURE = re.compile(r"genai_cost_[a-z_]+(?=[{)]|\[)")


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(_RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _reported() -> set[str]:
    """Figures as Prometheus has them: of our /metrics, of applications, and of the ledger's sink."""
    folders = (ROOT / "otel_genai_cost", ROOT / "exporters")
    files = (path for folder in folders for path in folder.rglob("*.py"))
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    texts = {one.replace(".", "_") for one in re.findall(r'"([a-z_.]+)"', source)}
    found = {f"genai_cost_{one.removeprefix('genai_cost_')}" for one in texts}
    return found | {f"genai_cost_ledger_{one}_total" for one in MEASURES}


def test_every_figure_is_one_that_we_report() -> None:
    named = {name for rule in _rules() for name in _FIGURE.findall(rule["expr"])}
    assert len(named) > 10
    assert named - _reported() == set()


def test_every_rule_says_what_to_do_and_is_seen_to_fire() -> None:
    cases = yaml.safe_load(_CASES.read_text(encoding="utf-8"))["tests"]
    fired = {
        one["alertname"] for case in cases for one in case["alert_rule_test"] if "exp_alerts" in one
    }
    assert fired == {rule["alert"] for rule in _rules()}
    for rule in _rules():
        assert rule["annotations"].keys() == {"summary", "remedy"}
        assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.service
@pytest.mark.parametrize("what", [("check", _RULES), ("test", _CASES)], ids=lambda one: one[0])
def test_prometheus_agrees(what: tuple[str, Path]) -> None:
    if shutil.which("promtool") is None:
        reason = "promtool is not installed: run tests/services.sh"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        ["promtool", what[0], "rules", str(what[1])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
