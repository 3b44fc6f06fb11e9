"""`genai-cost compare`: from recorded spans, the ledger and exports, one table."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import rows, run
from tests.replay.otlp import chat, request, span

_TOLD = {"gen_ai.usage.cost": 0.00084, "gen_ai.response.id": "chatcmpl-1"}


def _spans(folder: Path) -> str:
    """A call of 1,200 tokens, 1,024 of them cached, and a tool's figure of it."""
    call = {**chat(gen_ai__usage__cache_read__input_tokens=1024), **_TOLD}
    path = folder / "spans.jsonl"
    path.write_text(json.dumps(request(span(1, call))))
    return str(path)


def test_figures_on_spans(tmp_path: Path) -> None:
    found = rows("compare", _spans(tmp_path), "--json")
    assert [row["cause"] for row in found] == ["other", "total"]
    assert (found[1]["theirs"], found[1]["ours"]) == ("0.00084", "0.0001512")
    assert found[1]["difference"] == "0.0006888"


def test_ledger_and_an_export_make_one_table(tmp_path: Path) -> None:
    home = tmp_path / "home"
    rows("replay", _spans(tmp_path), "--into", str(home / "journal"))
    logs = tmp_path / "logs.json"
    logs.write_text(json.dumps([{"request_id": "chatcmpl-1", "spend": 0.000228}]))
    (call,) = rows("compare", "--litellm", str(logs), "--ledger", str(home), "--calls")
    # 1,024 tokens at 0.15 instead of 0.075 USD a million
    assert call["causes"] == [{"cause": "reads_as_input", "difference": "0.0000768"}]
    done = run("compare", "--litellm", str(logs), "--ledger", str(home))
    assert "cache reads at the price of plain input" in done.stdout
    assert "litellm says 0.000228, we say 0.0001512" in done.stdout


def test_no_figure_anywhere_is_said(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    path.write_text(json.dumps(request(span(1, chat()))))
    done = run("compare", str(path))
    assert (done.returncode, done.stdout) == (0, "")
    assert "--litellm or --langfuse" in done.stderr
