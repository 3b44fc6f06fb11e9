"""Charges priced in part: what is booked of one and what is still held are no more than was held, in any store."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import parse_money
from tests.gate.opened import Opened, opened
from tests.ledger.build import observe, tenant
from tests.limits.build import budget

ACME = budget("acme", scope={"tenant": "acme"}, hard="10")

_HALF: Final = """
schema = "otel-genai-cost-contracts/1"
[[contract]]
id = "half"
source = "a letter"
order = 1
from = 2026-01-01T00:00:00Z
multiplier = 0.5
side = "cost"
"""
_PARTLY: Final = observe(1, tokens=(1_000_000, 100), parts={"input_audio": 500})
"""Of its audio nobody knows the price."""


@pytest.fixture
def gate(tmp_path: Path, address: str | None) -> Generator[Opened]:
    with opened(tmp_path, ACME, address=address) as found:
        yield found


def test_what_is_booked_of_a_charge_is_not_held_as_well(gate: Opened) -> None:
    """One that is priced in part keeps a hold for what it may still come to, however often it is looked at."""
    booked = sum(line.amount for line in _PARTLY.cost.lines)
    assert _PARTLY.cost.status == "partial" and booked
    gate.post("reserve", id=_PARTLY.id, tenant="acme", amount="5")
    for observations in ([_PARTLY], [observe(2, trace=2, attribution=tenant("globex"))], []):
        gate.book(*observations)
        (found,) = gate.budgets(tenant="acme")
        assert (parse_money(found["booked"]), found["committed"]) == (booked, "5")
    (held,) = gate.open_holds()
    assert (held.state, held.left) == ("measured", 5 * 10**18 - booked)


def test_a_charge_that_has_all_of_its_price_at_last_ends_its_hold(gate: Opened) -> None:
    gate.post("reserve", id=_PARTLY.id, tenant="acme", amount="5")
    gate.book(_PARTLY)
    whole = observe(1, tokens=(1_000_000, 100))
    gate.book(whole)
    (found,) = gate.budgets(tenant="acme")
    assert (found["held"], found["committed"]) == ("0", found["booked"])
    assert gate.open_holds() == []


def test_a_part_that_is_more_than_was_held_leaves_nothing(gate: Opened) -> None:
    gate.post("reserve", id=_PARTLY.id, tenant="acme", amount="1")
    gate.book(_PARTLY)
    (found,) = gate.budgets(tenant="acme")
    assert (found["held"], found["committed"]) == ("0", found["booked"])


def test_what_is_booked_below_the_list_price_is_taken_off_at_the_list_price(
    tmp_path: Path, address: str | None
) -> None:
    """A hold is at list prices, so what a discount leaves is not what is no longer held."""
    agreed = tmp_path / "contracts.toml"
    agreed.write_text(_HALF, encoding="utf-8")
    with opened(tmp_path, ACME, address=address) as gate:
        with closing(Ledger(tmp_path / LEDGER_FILE)) as ledger, ledger.transaction():
            ledger.bill_by(load_contracts(agreed))
        gate.post("reserve", id=_PARTLY.id, tenant="acme", amount="5")
        gate.book(_PARTLY)
        (found,) = gate.budgets(tenant="acme")
        booked = parse_money(found["booked"])
        assert booked * 2 == sum(line.amount for line in _PARTLY.cost.lines)
        assert parse_money(found["held"]) == 5 * 10**18 - 2 * booked
