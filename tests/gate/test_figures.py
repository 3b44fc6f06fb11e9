"""What the gate says of itself to Prometheus: what it decided and was asked, and whether it can."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.gate.store import StoreUnavailableError
from tests.demo.processes import wait_until
from tests.gate.opened import Opened, hold_id, opened
from tests.limits.build import budget

_LINE: Final = re.compile(r"^(genai_cost_\w+(?:\{.*\})?) (\S+)$", re.MULTILINE)


@pytest.fixture
def gate(tmp_path: Path) -> Generator[Opened]:
    with opened(tmp_path, budget("acme", scope={"tenant": "acme"}, hard="10")) as found:
        yield found


def _text(gate: Opened) -> str:
    answer = gate.client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    return answer.text


def _said(gate: Opened) -> dict[str, float]:
    return {name: float(value) for name, value in _LINE.findall(_text(gate))}


def test_decisions_and_requests_are_counted(gate: Opened) -> None:
    for n, amount in ((1, "8"), (1, "8"), (2, "3"), (3, "11"), (1, "7")):
        gate.reserve(n, amount)
    gate.post("settle", id=hold_id(1), amount="1")
    gate.client.post("/v1/reserve", json={})
    gate.client.post("/v1/reserve", content=b"{", headers=gate.team)
    said = _said(gate)
    decided = {
        name.split('"')[1]: count
        for name, count in said.items()
        if name.startswith("genai_cost_gate_decisions_total")
    }
    assert decided == {
        "allow": 1,
        "repeated": 1,
        "hold_pressure": 1,
        "too_large": 1,
        "conflict": 1,
    }
    reserves = {
        int(name.split('"')[3]): count
        for name, count in said.items()
        if 'path="/v1/reserve"' in name
    }
    assert reserves == {200: 2, 429: 1, 402: 1, 409: 1, 401: 1, 400: 1}
    assert said['genai_cost_gate_requests_total{path="/v1/settle",status="200"}'] == 1
    assert (said["genai_cost_gate_up"], said["genai_cost_gate_lag_seconds"]) == (1, 0)


def test_what_proxies_were_answered_is_counted(gate: Opened) -> None:
    path, body = "/v1/admit/v1/chat/completions", {"model": "gpt-4o", "max_tokens": 10}
    headers = {**gate.team, "x-tenant-id": "acme"}
    gate.client.post(path, json=body, headers=headers)
    gate.client.post(path, json={**body, "max_tokens": 10**9}, headers=headers)
    said = _said(gate)
    assert said['genai_cost_gate_passes_total{answer="passed"}'] == 1
    assert said['genai_cost_gate_passes_total{answer="too_large"}'] == 1


def test_a_store_that_is_away_is_seen(gate: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: object) -> None:
        raise StoreUnavailableError("nobody listens")

    monkeypatch.setattr(gate.gate, "run", away)
    monkeypatch.setattr(gate.gate.store, "lag_us", lambda: 61_500_000)
    wait_until(lambda: _said(gate)["genai_cost_gate_up"] == 0, "the next round", 10)
    said = _said(gate)
    assert said["genai_cost_gate_lag_seconds"] == 61.5
    assert said["genai_cost_gate_is_behind"] == 1


def test_no_tenant_and_no_budget_is_named(gate: Opened) -> None:
    gate.reserve(1, "8")
    gate.reserve(2, "80")
    assert "acme" not in _text(gate)


@pytest.mark.service
def test_promtool_finds_nothing_to_say_against_it(gate: Opened) -> None:
    gate.reserve(1, "8")
    promtool = shutil.which("promtool")
    assert promtool is not None
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=_text(gate),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
