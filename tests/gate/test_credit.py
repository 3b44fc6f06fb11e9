"""A tenant that pays before it calls: the gate holds no more than it has, whatever budgets say."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import parse_money
from tests.gate.opened import Opened, bring, hold_id, opened
from tests.ledger.build import observe, tenant
from tests.ledger.projections.credit_entries import UNIT, at, event
from tests.limits.build import budget


@pytest.fixture
def gate(tmp_path: Path, address: str | None) -> Generator[Opened]:
    with opened(tmp_path, budget("all", hard="1000"), address=address) as found:
        yield found


def _grant(gate: Opened, *written: dict[str, Any]) -> None:
    with closing(Ledger(gate.home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.ingest([event(*written, now_us=gate.clock.now_us)], gate.clock.now_us, 0)
    bring(gate.home, gate.address, gate.clock)


def _pass(gate: Opened, days: int) -> None:
    """What a round of the shipper does."""
    gate.clock.now_us += days * 86_400_000_000
    with closing(Ledger(gate.home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.credits.pass_time(gate.clock.now_us)
    bring(gate.home, gate.address, gate.clock)
    gate.open_holds()  # from which the gate sees that the books are up to date


def _available(gate: Opened, currency: str = "USD") -> int:
    found = gate.client.get(
        "/v1/tenants/acme/balance", params={"currency": currency}, headers=gate.team
    )
    return parse_money(found.json()["available"])


def test_no_more_is_held_than_there_is(gate: Opened) -> None:
    _grant(gate, {"ref": "a"})
    assert gate.reserve(1, "6").json()["decision"] == "allow"
    assert _available(gate) == 4 * UNIT
    pressed = gate.reserve(2, "6")
    assert (pressed.status_code, pressed.json()["type"]) == (429, "hold_pressure")
    large = gate.reserve(3, "11")
    assert large.status_code == 402
    assert large.json() == {
        "type": "too_large",
        "scope": "tenant=acme",
        "reset_at": None,
        "on_gate_down": "closed",
        "allowance": None,
        "budget": "credit",
        "currency": "USD",
        "hard": "10",
        "booked": "0",
        "held": "6",
        "amount": "11",
    }
    assert gate.reserve(4, "4").status_code == 200
    assert gate.reserve(5, "100", tenant="globex").status_code == 200, "who was granted nothing"
    gate.post("release", id=hold_id(1))
    assert _available(gate) == 6 * UNIT


def test_a_hold_gives_way_to_the_burn_of_its_charge(gate: Opened) -> None:
    _grant(gate, {"ref": "a", "amount": "0.01"})
    call = observe(1, trace=1, start_s=-1, end_s=0, attribution=tenant("acme"))
    assert gate.post("reserve", id=call.id, tenant="acme", amount="0.009").status_code == 200
    gate.post("dispatch", id=call.id)
    gate.book(call)
    assert _available(gate) == UNIT // 100 - (call.cost.total or 0)
    assert gate.reserve(2, "0.0066").status_code == 402
    assert gate.reserve(2, "0.0065").status_code == 200


def test_a_hold_of_a_call_that_was_booked_by_another_span_first_is_over_too(gate: Opened) -> None:
    _grant(gate, {"ref": "a"})
    call = observe(1, trace=1, start_s=-1, end_s=0, attribution=tenant("acme"))
    below = observe(2, trace=1, above=(1,), start_s=-1, end_s=0, scope="native")
    gate.post("reserve", id=call.id, tenant="acme", amount="6")
    gate.book(below)
    gate.book(call)
    assert _available(gate) == 10 * UNIT - (call.cost.total or 0)


def test_what_has_expired_or_not_begun_is_not_held(gate: Opened) -> None:
    _grant(gate, {"ref": "a", "expires": at(1)}, {"ref": "b", "from": at(2)})
    assert gate.reserve(1, "11").status_code == 402
    _pass(gate, days=1)
    assert gate.reserve(1, "1").status_code == 402
    _pass(gate, days=1)
    assert gate.reserve(1, "10").status_code == 200


def test_a_top_up_lets_calls_through_again(gate: Opened) -> None:
    _grant(gate, {"ref": "a", "amount": "1"})
    assert gate.reserve(1, "2").status_code == 402
    assert gate.post("tenants/acme/grants", ref="b", currency="USD", amount="1").json()["seen"]
    bring(gate.home, gate.address, gate.clock)
    assert gate.reserve(1, "2").status_code == 200


def test_credit_in_another_currency_than_the_calls_binds_nothing(gate: Opened) -> None:
    _grant(gate, {"ref": "a", "currency": "ACU", "amount": "1"})
    assert gate.reserve(1, "5").status_code == 200
    assert _available(gate, "ACU") == UNIT


def test_of_a_call_that_is_not_heard_of_the_hold_stays_until_the_month_ends(gate: Opened) -> None:
    _grant(gate, {"ref": "a"})
    gate.reserve(1, "6", ttl_s=60)
    gate.post("dispatch", id=hold_id(1))
    gate.sweep(12 * 86_400)
    assert (gate.state(1), _available(gate)) == ("lost", 4 * UNIT)
    gate.sweep(86_400)  # December has begun
    assert _available(gate) == 10 * UNIT


def test_more_is_held_for_a_call_only_while_there_is_credit(gate: Opened) -> None:
    _grant(gate, {"ref": "a"})
    gate.reserve(1, "6")
    gate.post("dispatch", id=hold_id(1))
    assert gate.post("extend", id=hold_id(1), amount="10").status_code == 200
    refused = gate.post("extend", id=hold_id(1), amount="10.5")
    assert (refused.status_code, refused.json()["scope"]) == (402, "tenant=acme")


def test_of_many_at_once_no_more_get_through_than_there_is(gate: Opened) -> None:
    _grant(gate, {"ref": "a"})
    answers: list[int] = []

    def ask(first: int) -> None:
        answers.extend(gate.reserve(first + n, "0.7").status_code for n in range(4))

    threads = [threading.Thread(target=ask, args=(100 * one,)) for one in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert answers.count(200) == 14
    assert _available(gate) == 10 * UNIT - 14 * 7 * UNIT // 10
