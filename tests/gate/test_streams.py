"""A stream at the gate: more is held for it while it goes on, within its budgets."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from otel_genai_cost.pricing.money import parse_money
from tests.gate.opened import Opened, hold_id, opened
from tests.limits.build import budget

_ACME = budget("acme", scope={"tenant": "acme"}, hard="10")


@pytest.fixture
def gate(tmp_path: Path, address: str | None) -> Generator[Opened]:
    with opened(tmp_path, _ACME, address=address) as found:
        yield found


def test_a_stream_asks_for_more(gate: Opened) -> None:
    gate.reserve(1, "4", dispatched=True)
    assert gate.post("extend", id=hold_id(1), amount="9").json()["held"] == "9"
    assert gate.post("extend", id=hold_id(1), amount="8").json()["held"] == "9"
    assert gate.post("extend", id=hold_id(1), amount="11").status_code == 402
    assert gate.post("extend", id=hold_id(1)).status_code == 400
    assert gate.budgets(tenant="acme")[0]["held"] == "9"


def test_a_stream_asks_for_more_tokens(gate: Opened) -> None:
    call = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "max_tokens": 100}
    first = parse_money(gate.reserve(1, None, **call).json()["held"])
    more = parse_money(gate.post("extend", id=hold_id(1), max_tokens=200).json()["held"])
    again = parse_money(gate.reserve(2, None, **{**call, "max_tokens": 200}).json()["held"])
    assert first < more == again


def test_a_stream_that_lasts_longer_than_its_hold_asks_for_more(gate: Opened) -> None:
    """Unheard of for so long, it counts as lost, and goes on all the same."""
    gate.reserve(1, "4", dispatched=True, ttl_s=10)
    gate.sweep(later_s=11)
    assert gate.state(1) == "lost"
    assert gate.post("extend", id=hold_id(1), amount="9").status_code == 200
    assert gate.budgets(tenant="acme")[0]["held"] == "9"
    assert gate.post("extend", id=hold_id(1), amount="11").status_code == 402
    gate.post("settle", id=hold_id(1), amount="5")
    assert gate.post("extend", id=hold_id(1), amount="6").status_code == 409


def test_a_stream_that_outlasts_its_period_is_held_within_that(gate: Opened) -> None:
    gate.clock.now_us = 1_796_083_200_000_000 - 30_000_000
    gate.book()
    assert gate.reserve(1, "4", dispatched=True).status_code == 200
    gate.clock.now_us += 60_000_000
    assert gate.budgets(tenant="acme")[0]["held"] == "0", "another month has begun"
    assert gate.post("extend", id=hold_id(1), amount="9").json()["held"] == "9"
    assert gate.post("extend", id=hold_id(1), amount="11").status_code == 402
