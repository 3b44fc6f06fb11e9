"""`genai-cost replay`: one line a span that took part, charges with the settled verdict."""

from __future__ import annotations

import errno
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.reader import read, segments
from tests.cli.command import rows, run
from tests.cli.program import call
from tests.replay.otlp import chat, request, span

KEYS = [
    "recording",
    "trace_id",
    "span_id",
    "kind",
    "of",
    "rule",
    "charge_id",
    "dialect",
    "tenant",
    "provider",
    "model_requested",
    "model_returned",
    "model_resolved",
    "usage",
    "quality",
    "status",
    "reason",
    "total",
    "currency",
]
_FRAMEWORK = "a.framework"


def _replay(requests: list[dict[str, Any]], *options: str) -> list[dict[str, Any]]:
    return rows("replay", "-", *options, stdin=_lines(requests))


def _lines(requests: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in requests)


def _trace() -> list[dict[str, Any]]:
    """A client's span, a framework's around it, and the request's with the tenant; exported in that order."""
    return [
        request(span(3, chat(gen_ai__usage__cache_read__input_tokens=1024), parent=2)),
        request(span(2, chat(), parent=1, end_s=2), scope=_FRAMEWORK),
        request(span(1, {"tenant.id": "acme"}, end_s=3), scope="web"),
    ]


def test_one_charge_and_what_belongs_to_it() -> None:
    charge, duplicate, context = _replay(_trace())
    assert list(charge)[: len(KEYS)] == KEYS
    assert (charge["kind"], charge["tenant"], charge["status"]) == ("charge", "acme", "priced")
    assert charge["usage"] == {"input_tokens": 1200, "output_tokens": 80, "cache_read_tokens": 1024}
    # 176 at 0.15, 1,024 at 0.075 and 80 at 0.60 USD a million (OpenAI's list price of gpt-4o-mini)
    assert charge["total"] == "0.0001512"
    assert charge["of"] == charge["charge_id"]
    assert (duplicate["kind"], duplicate["rule"], duplicate["of"]) == (
        "duplicate",
        2,
        charge["charge_id"],
    )
    assert (duplicate["total"], duplicate["charge_id"]) == (None, None)
    assert (context["kind"], context["of"]) == ("context", None)


def test_a_host_of_the_teams_is_whose_the_setting_says() -> None:
    env = {"OTEL_GENAI_COST_HOSTS": "llm.example.com=azure.ai.openai"}
    lines = _lines([request(span(1, chat(server__address="llm.example.com")))])
    for given, provider in ((False, "openai"), (True, "azure.ai.openai")):
        (charge,) = rows("replay", "-", stdin=lines, env=env if given else None)
        assert charge["provider"] == provider


def test_order_of_the_requests_makes_no_difference() -> None:
    requests = _trace()
    expected = {row["span_id"]: row for row in _replay(requests)}
    random.Random(7).shuffle(requests)
    found = {row["span_id"]: {**row, "recording": 0} for row in _replay(requests)}
    assert found == {key: {**row, "recording": 0} for key, row in expected.items()}


def test_separate_lines_know_nothing_of_each_other() -> None:
    found = _replay(_trace(), "--separate")
    assert [(row["recording"], row["kind"], row["tenant"]) for row in found] == [
        (1, "charge", None),
        (2, "charge", None),
    ]


def test_span_of_no_llm_call_takes_no_part() -> None:
    assert _replay([request(span(1, {"http.request.method": "GET"}, end_s=3), scope="web")]) == []


def test_tenant_of_a_stranger_takes_no_part_where_the_call_has_one() -> None:
    calls = _trace()
    calls[0] = request(span(3, chat(tenant__id="globex"), parent=1))
    assert [row["tenant"] for row in _replay([calls[0], calls[2]])] == ["globex"]


def test_span_told_twice_is_one_charge() -> None:
    requests = _trace()[:1] * 2
    first, second = _replay(requests)
    assert (first["kind"], second["kind"], second["rule"]) == ("charge", "duplicate", 0)
    assert second["of"] == first["charge_id"]


def test_aggregate_above_a_call_is_ignored() -> None:
    agent = {**chat(), "gen_ai.operation.name": "invoke_agent"}
    ignored, charge = _replay([request(span(2, agent), span(3, chat(), parent=2))])
    assert (charge["kind"], ignored["kind"], ignored["of"]) == ("charge", "ignored", None)
    assert ignored["ignored"] == "aggregate"


def test_observations_are_journalled(tmp_path: Path) -> None:
    charge, *_ = _replay(_trace(), "--into", str(tmp_path / "home" / "journal"))
    (segment,) = segments(tmp_path / "home" / "journal")
    assert len(read(segment).records) == 3
    (row,) = rows("charges", "--json", "--ledger", str(tmp_path / "home"))
    assert (row["charge_id"], row["tenant"], row["amount"]) == (
        charge["charge_id"],
        "acme",
        charge["total"],
    )


@pytest.mark.parametrize("into", [".", "journal"], ids=["home", "journal"])
def test_what_is_replayed_into_a_folder_is_in_its_ledger(tmp_path: Path, into: str) -> None:
    done = run("replay", "-", "--into", str(tmp_path / into), stdin=_lines(_trace()))
    assert done.returncode == 0
    assert f"--ledger {tmp_path}" in done.stderr
    (row,) = rows("report", "--json", "--ledger", str(tmp_path))
    assert (row["tenant"], row["calls"]) == ("acme", 1)


def test_what_could_not_be_written_is_not_said_to_be_journalled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(_self: OsFiles, descriptor: int, line: bytes) -> int:
        if b"header" not in line[:200]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(descriptor, line)

    (tmp_path / "spans.jsonl").write_text(_lines(_trace()))
    monkeypatch.setattr(OsFiles, "write", write)
    done = call(capsys, "replay", str(tmp_path / "spans.jsonl"), "--into", str(tmp_path / "home"))
    assert (done.code, "3 of 3 observation(s) could not be written" in done.err) == (2, True)


def test_a_configured_journal_is_one(tmp_path: Path) -> None:
    env = {
        "OTEL_GENAI_COST_JOURNAL": str(tmp_path / "j"),
        "OTEL_GENAI_COST_LEDGER": str(tmp_path / "l"),
    }
    run("replay", "-", "--into", str(tmp_path / "j"), stdin=_lines(_trace()), env=env)
    (row,) = rows("report", "--json", env=env)
    assert row["calls"] == 1


@pytest.mark.parametrize("command", [("replay",), ("compare", "--json")])
@pytest.mark.parametrize("at", [0, 1, 3], ids=["first", "second", "last"])
def test_a_bad_line_stops_nobody(command: tuple[str, ...], at: int) -> None:
    lines = _lines(_trace()).splitlines(keepends=True)
    lines.insert(at, "nonsense\n")
    done = run(*command, "-", stdin="".join(lines))
    whole = run(*command, "-", stdin=_lines(_trace()))
    assert (done.returncode, whole.returncode) == (1, 0)
    assert len(done.stdout.splitlines()) == len(whole.stdout.splitlines())
    assert done.stderr.startswith(f"line {at + 1} is no OTLP export request")
    assert "1 line(s)" in done.stderr


def test_many_bad_lines_are_counted() -> None:
    done = run("replay", "-", stdin=_lines(_trace()) + "[]\n" * 1_000)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 3)
    assert len(done.stderr.splitlines()) == 6
    assert "1000 line(s)" in done.stderr


def test_path_that_is_not_there_is_exit_2(tmp_path: Path) -> None:
    into = tmp_path / "home"
    (tmp_path / "spans.jsonl").write_text(_lines(_trace()))
    paths = [str(tmp_path / name) for name in ("spans.jsonl", "nowhere")]
    done = run("replay", *paths, "--into", str(into))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert not into.exists()
