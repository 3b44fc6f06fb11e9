"""One cap holds for calls through a gateway and for calls made directly, together; and a call that both the gateway and
the application saw is counted once."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.demo.processes import Child
from tests.gateways.standing import Standing, standing

pytestmark = pytest.mark.service

_CAP = Decimal("0.0012")
_CALL = Decimal("0.0000618")
"""12 tokens in and 100 out."""


def _application(stands: Standing, folder: Path, name: str, url: str, answers: int) -> Child:
    direct = {} if name == "direct" else {"OTEL_GENAI_COST_GATE": ""}
    words = ["-m", "tests.gateways.application", url, "change-me-acme", str(answers), "4"]
    own = {**stands.gate.environment, "OTEL_GENAI_COST_LEDGER": str(stands.gate.home), **direct}
    return stands.family.start(name, [sys.executable, *words], folder / f"{name}.log", own)


def test_one_cap_for_both_ways_together_and_each_call_counts_once(tmp_path: Path) -> None:
    cap = {"scope": {"tenant": "acme"}, "hard": str(_CAP)}
    with standing(tmp_path, [cap]) as stands:
        running = [
            _application(stands, tmp_path, "direct", f"{stands.aside}/v1", 14),
            _application(stands, tmp_path, "gateway", f"{stands.url}/v1", 14),
        ]
        for one in running:
            assert one.wait(90) == 0, one.output()
        print([one.output() for one in running])
        stands.stop()
        stands.gate.command("ship", "--drain")
        charges = [
            json.loads(line) for line in stands.gate.command("charges", "--json").splitlines()
        ]
        holds = stands.gate.holds()
        served = len(stands.provider.served)
    assert {one["tenant"] for one in charges} == {"acme"}
    charges = [one for one in charges if one["reason"] != "not_billed"]
    assert len(charges) == served, "each call is one charge, whoever saw it"
    total = sum(Decimal(one["total"]) for one in charges)
    assert total == _CALL * served
    assert total <= _CAP
    assert total + Decimal("0.0006") > _CAP, (
        "but for what one more may come to, all of it can be used"
    )
    assert holds == []
