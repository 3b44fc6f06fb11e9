"""`POST /v1/budgets`: the team decides budgets by the same rules as a file; they hold for the next call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.ledger.daemon import writer_lock
from tests.gate.opened import Opened, opened

_ACME: dict[str, Any] = {
    "id": "acme",
    "scope": {"tenant": "acme"},
    "period": "total",
    "currency": "USD",
    "hard": "1.50",
}


def _decide(gate: Opened, *budgets: object, **options: Any) -> Any:
    return gate.client.post("/v1/budgets", json={"budgets": budgets}, headers=gate.team, **options)


def test_what_is_decided_holds_for_the_next_call(tmp_path: Path) -> None:
    with opened(tmp_path) as gate:
        assert gate.reserve(1, "2").json()["decision"] == "allow"
        done = _decide(gate, _ACME)
        assert done.status_code == 200, done.text
        (version,) = done.json()["budgets"]
        assert (version["id"], version["version"], version["hard"]) == ("acme", 1, "1.5")
        assert gate.reserve(2, "2").status_code == 402
        assert _decide(gate, _ACME).json() == {"budgets": []}
        (changed,) = _decide(gate, {**_ACME, "hard": "5"}).json()["budgets"]
        assert changed["version"] == 2


def test_all_that_is_wrong_comes_at_once_and_nothing_is_decided(tmp_path: Path) -> None:
    with opened(tmp_path) as gate:
        bad = {**_ACME, "id": "bad", "hard": 0.5, "zone": "Nowhere"}
        done = _decide(gate, _ACME, bad)
        assert (done.status_code, done.json()["type"]) == (400, "malformed")
        wrong = [one.partition(";")[0] for one in done.json()["problems"]]
        assert wrong == ["zone is 'Nowhere'", "hard is '0.5'"]
        assert gate.budgets() == []


@pytest.mark.parametrize("body", [{}, {"budgets": []}, {"budgets": [1]}, {"budgets": {}}])
def test_a_body_that_is_none_is_refused(tmp_path: Path, body: dict[str, Any]) -> None:
    with opened(tmp_path) as gate:
        done = gate.client.post("/v1/budgets", json=body, headers=gate.team)
        assert (done.status_code, done.json()["type"]) == (400, "malformed")


def test_a_tenant_decides_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as gate:
        done = gate.client.post(
            "/v1/budgets", json={"budgets": [_ACME]}, headers=gate.token("acme")
        )
        assert (done.status_code, done.json()["type"]) == (403, "team_only")


def test_while_another_process_ships_it_is_written_down_for_that(tmp_path: Path) -> None:
    with opened(tmp_path) as gate:
        with writer_lock(tmp_path):
            done = _decide(gate, _ACME)
        assert done.status_code == 200
        assert gate.budgets() == []
        _decide(gate, {**_ACME, "id": "other"})
        assert [one["budget"] for one in gate.budgets()] == ["acme", "other"]
