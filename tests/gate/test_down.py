"""A gate that does not know what may be spent, and what it says of that while it does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.gate.body import read_body
from otel_genai_cost.gate.calls import RESERVE
from otel_genai_cost.gate.gate import Gate, Options
from otel_genai_cost.gate.holds_api import reserved
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.gate.tokens import TOKENS_FILE, Bearer, Tokens
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.limits.budget import Rung
from tests.gate.opened import BOOK, Clock, hold_id, opened, post
from tests.ledger.build import START_US, observe, tenant
from tests.limits.build import budget

_ACME = budget("acme", scope={"tenant": "acme"}, hard="10")


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({}, "closed"),
        ({"on_gate_down": "lease"}, "lease"),
        ({"on_gate_down": "lease", "scope": {"tenant": "acme", "feature": "chat"}}, "closed"),
        ({"on_gate_down": "lease", "scope": {"model": "*"}}, "closed"),
    ],
    ids=["closed", "lease", "a lease of a feature", "a lease of a model"],
)
def test_each_answer_says_what_to_do_while_the_gate_is_down(
    tmp_path: Path, terms: dict[str, Any], said: str
) -> None:
    """Of a budget that is narrower than a tenant no lease holds anything: it is closed then."""
    ladder = (Rung(90, "defer"),)
    one = budget("b", **{"scope": {"tenant": "acme"}, "hard": "10", "ladder": ladder, **terms})
    call = {"feature": "chat", "model": "gpt-4o"}
    with opened(tmp_path, one) as gate:
        answers = [gate.reserve(1, "1", **call), gate.reserve(2, "8.5", **call)]
        answers += [gate.reserve(n, amount, **call) for n, amount in ((3, "9.5"), (4, "11"))]
        assert [one.json().get("decision") for one in answers] == ["allow", "defer", None, None]
        assert [one.status_code for one in answers] == [200, 200, 429, 402]
        assert {one.json()["on_gate_down"] for one in answers} == {said}


def test_books_that_are_behind_close_the_gate(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.mkdir()
    lenient = budget("open", scope={"tenant": "globex"}, on_gate_down="open")
    with opened(
        tmp_path, _ACME, lenient, options=Options(max_lag_s=60), journals=[journal]
    ) as gate:
        post(gate.home, observe(1, attribution=tenant("acme")), settle=False)
        gate.sweep()
        gate.gate.store._lag._next_s = 0  # type: ignore[attr-defined]
        gate.sweep(later_s=100)
        assert gate.client.get("/health").status_code == 503
        behind = gate.reserve(1, "1")
        assert (behind.status_code, behind.json()["type"]) == (503, "gate_unavailable")
        assert gate.reserve(2, "1", tenant="globex").status_code == 200


def test_the_first_call_meets_books_that_are_behind(tmp_path: Path) -> None:
    """Of a gate that has just begun."""
    with opened(tmp_path, _ACME):
        post(tmp_path, observe(1, attribution=tenant("acme")), settle=False)
    clock = Clock(START_US + 100_000_000)
    tokens = Tokens(tmp_path / TOKENS_FILE, clock)
    gate = Gate(SqliteStore(tmp_path, [], clock), tokens, lambda: BOOK, tmp_path, None, clock)
    asked = json.dumps({"id": hold_id(1), "tenant": "acme", "amount": "1"}).encode()
    try:
        answer = asyncio.run(reserved(gate, Bearer(None), read_body(asked, RESERVE)))
    finally:
        gate.close()
    assert (answer.status, answer.body["type"]) == (503, "gate_unavailable")


def test_a_store_that_is_gone_is_said(tmp_path: Path) -> None:
    with opened(tmp_path, _ACME) as gate:
        gate.reserve(1, "1")
        (tmp_path / LEDGER_FILE).rename(tmp_path / "away")
        (tmp_path / LEDGER_FILE).mkdir()
        gone = gate.reserve(2, "1")
        assert (gone.status_code, gone.json()["type"]) == (503, "gate_unavailable")
        assert gate.client.get("/health").status_code == 503
        (tmp_path / LEDGER_FILE).rmdir()
        (tmp_path / "away").rename(tmp_path / LEDGER_FILE)
        assert gate.reserve(2, "1").status_code == 200
        assert gate.budgets()[0]["held"] == "2"
