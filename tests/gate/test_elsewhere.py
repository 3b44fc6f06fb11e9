"""A gate on a machine without the ledger: what people decide is refused there, not written down for nobody to read."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from starlette.testclient import TestClient

from otel_genai_cost.cli.app import run
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.service import application
from otel_genai_cost.gate.tokens import TOKENS_FILE, Tokens, add_token
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from tests.gate.opened import BOOK, Clock, hold_id, opened
from tests.limits.build import budget

_GRANT: Final = {"ref": "order-17", "currency": "USD", "amount": "10"}
_CONTRACTS: Final = """
schema = "otel-genai-cost-contracts/1"

[[contract]]
id = "globex-credits"
source = "MSA 2026-140"
order = 10
from = 2026-10-01T00:00:00Z
match = { tenant = "globex" }
side = "price"
currency = "ACU"

[[fx]]
base = "USD"
quote = "ACU"
rate = 100
from = 2026-10-01T00:00:00Z
source = "price list 2026, page 3"
"""
_BUDGET: Final = {"id": "b", "period": "month", "currency": "USD", "hard": "1"}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Generator[tuple[Path, Any]]:
    """The folder of such a gate, and a way to ask it: its holds are in a store that it shares."""
    home, folder = tmp_path / "ledger", tmp_path / "elsewhere"
    home.mkdir()
    token = add_token(folder / TOKENS_FILE, None, None)
    headers = {"Authorization": f"Bearer {token}"}
    with opened(home, budget("acme", scope={"tenant": "acme"}, hard="10")) as here:
        gate = Gate(
            here.gate.store,
            Tokens(folder / TOKENS_FILE, Clock()),
            lambda: BOOK,
            folder,
            clock_us=Clock(),
            is_shared=True,
        )
        with TestClient(application(gate)) as client:
            yield (
                folder,
                lambda path, **body: client.post(f"/v1/{path}", json=body, headers=headers),
            )


def test_what_is_decided_is_refused_where_the_ledger_is_not(
    elsewhere: tuple[Path, Any],
) -> None:
    folder, post = elsewhere
    before = sorted(folder.iterdir())
    granted = post("tenants/acme/grants", **_GRANT)
    assert (granted.status_code, granted.json()["type"]) == (503, "gate_unavailable")
    assert post("budgets", budgets=[_BUDGET]).status_code == 503
    assert post("reserve", id=hold_id(1), tenant="acme", amount="8").status_code == 200
    assert post("settle", id=hold_id(1), amount="8").status_code == 200
    assert post("reserve", id=hold_id(2), tenant="acme", amount="3").status_code == 402
    assert sorted(folder.iterdir()) == before, "nothing was written where nobody ships it"


def test_it_is_taken_once_the_ledger_is_there(elsewhere: tuple[Path, Any]) -> None:
    folder, post = elsewhere
    Ledger(folder / LEDGER_FILE).close()
    assert post("tenants/acme/grants", **_GRANT).status_code == 201


@pytest.mark.parametrize("store", [None, "redis://127.0.0.1:1/0"])
def test_the_command_tells_one_from_the_other(
    store: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes: list[Path | None] = []
    monkeypatch.delenv("OTEL_GENAI_COST_GATE_STORE", raising=False)
    monkeypatch.setattr(
        "otel_genai_cost.cli.gate.serve.serve", lambda gate, host, port: homes.append(gate.home)
    )
    words = ["gate", "serve", "--ledger", str(tmp_path)]
    assert run([*words, *([] if store is None else ["--store", store])]) == 0
    assert homes == [None if store else tmp_path]


def test_it_bills_by_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else credit in what a tenant is billed in would bind nobody there."""
    (tmp_path / "contracts.toml").write_text(_CONTRACTS, encoding="utf-8")
    found: list[Sequence[str]] = []
    monkeypatch.setenv("OTEL_GENAI_COST_CONTRACTS", str(tmp_path / "contracts.toml"))
    monkeypatch.setattr(
        "otel_genai_cost.cli.gate.serve.serve",
        lambda gate, host, port: found.append(gate.terms().currencies),
    )
    folder = str(tmp_path / "elsewhere")
    assert run(["gate", "serve", "--ledger", folder, "--store", "redis://127.0.0.1:1/0"]) == 0
    assert "ACU" in found[0]
