"""`genai-cost corpus record`: one command adds a recording, and shows how it is read."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import run
from tests.conformance.judge import judge
from tests.conformance.recorded import cases, replayed
from tests.ledger.build import BOOK
from tests.replay.otlp import chat, request, span

_USAGE = {"prompt_tokens": 1200, "completion_tokens": 80, "total_tokens": 1280}


def test_recording_is_added_and_judged_exact(tmp_path: Path) -> None:
    usage = tmp_path / "usage.jsonl"
    usage.write_text(json.dumps(_USAGE))
    said = {"gen_ai.input.messages": "tell me a secret"}
    options = ("--usage", str(usage), "--into", str(tmp_path / "corpus"))
    told = json.dumps(request(span(1, {**chat(), **said})))
    for _ in range(2):
        done = run("corpus", "record", "mine/openai-chat", "-", *options, stdin=told)
        assert done.returncode == 0, done.stderr
        assert '"input_tokens": 1200' in done.stdout
    assert "secret" not in (tmp_path / "corpus" / "recordings-mine.jsonl").read_text()
    found = list(cases(tmp_path / "corpus"))
    assert [one.mark for case in found for one in judge(case, replayed(case, BOOK))] == [
        "exact"
    ] * 2


def test_what_was_billed_must_be_readable(tmp_path: Path) -> None:
    done = run("corpus", "record", "mine/chat", "-", "--usage", str(tmp_path / "none"), stdin="{}")
    assert done.returncode == 2
    assert done.stderr.startswith("cannot read what was billed")
