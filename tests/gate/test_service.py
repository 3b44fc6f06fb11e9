"""The gate over HTTP: what is held, refused and shown to whom."""

from __future__ import annotations

from collections.abc import Generator
from decimal import Decimal
from pathlib import Path

import pytest

from otel_genai_cost.limits.budget import Rung
from otel_genai_cost.pricing.money import parse_money
from tests.gate.opened import Opened, hold_id, opened
from tests.ledger.build import START_US, observe
from tests.limits.build import budget

ACME = budget("acme", scope={"tenant": "acme"}, hard="10")


@pytest.fixture
def gate(tmp_path: Path, address: str | None) -> Generator[Opened]:
    with opened(tmp_path, ACME, budget("all", hard="25"), address=address) as found:
        yield found


def test_a_hold_counts_until_it_is_given_up(gate: Opened) -> None:
    answer = gate.reserve(1, "9.5")
    assert (answer.status_code, answer.json()["decision"]) == (200, "allow")
    assert answer.json()["held"] == "9.5"
    assert gate.reserve(2, "0.6").status_code == 429
    assert gate.post("release", id=hold_id(1)).json()["state"] == "void"
    assert gate.reserve(2, "0.6").status_code == 200


def test_all_budgets_or_none(gate: Opened) -> None:
    """The organisation has no room: nothing is held of the tenant either."""
    assert gate.reserve(1, "20", tenant="globex").status_code == 200
    assert gate.reserve(2, "6").json()["scope"] == "organisation"
    held = {one["scope"]: one["held"] for one in gate.budgets()}
    assert held == {"organisation": "20", "tenant=acme": "0"}


def test_the_same_request_has_the_same_answer_and_another_is_a_conflict(gate: Opened) -> None:
    first = gate.reserve(1, "2")
    assert gate.reserve(1, "2").json() == first.json()
    assert gate.reserve(1, "3").status_code == 409
    assert gate.reserve(1, "2", tenant="globex").status_code == 409
    assert gate.budgets(tenant="acme")[0]["held"] == "2"


def test_refusals_say_why_and_until_when(gate: Opened) -> None:
    large = gate.reserve(1, "10.01")
    assert (large.status_code, large.json()["type"]) == (402, "too_large")
    assert large.headers["x-should-retry"] == "false"
    gate.reserve(2, "8")
    pressure = gate.reserve(3, "3")
    assert (pressure.status_code, pressure.json()["type"]) == (429, "hold_pressure")
    assert pressure.headers["retry-after"] == "2"
    gate.post("settle", id=hold_id(2), amount="8")
    exceeded = gate.reserve(3, "3")
    assert (exceeded.status_code, exceeded.json()["type"]) == (402, "budget_exceeded")
    assert exceeded.json()["scope"] == "tenant=acme"
    assert exceeded.json()["reset_at"] == "2026-12-01T00:00:00Z"
    assert (exceeded.json()["hard"], exceeded.json()["held"]) == ("10", "8")


def test_a_settled_hold_counts_what_it_cost_until_it_is_booked(gate: Opened) -> None:
    gate.reserve(1, "5")
    assert gate.post("settle", id=hold_id(1), amount="12").json()["state"] == "measured"
    assert gate.budgets(tenant="acme")[0]["committed"] == "12", "an overrun counts"
    assert gate.reserve(2, "0").status_code == 402
    assert gate.post("settle", id=hold_id(1), amount="12").status_code == 200
    assert gate.post("settle", id=hold_id(1), amount="11").status_code == 409
    assert gate.post("settle", id=hold_id(9), amount="1").status_code == 404


def test_a_hold_ends_when_its_charge_is_booked(gate: Opened) -> None:
    one = observe(1, tokens=(1_000_000, 100))
    total = one.cost.total
    assert total is not None
    said = {"tenant": "acme", "amount": "5", "dispatched": True}
    assert gate.post("reserve", id=one.id, **said).status_code == 200
    gate.book(one, settle=False)
    before = gate.budgets(tenant="acme")[0]
    assert (parse_money(before["held"]), before["booked"]) == (total, "0")
    gate.book()
    after = gate.budgets(tenant="acme")[0]
    assert (after["held"], parse_money(after["booked"])) == ("0", total)
    assert gate.post("settle", id=one.id, amount="7").json()["state"] == "closed"


def test_a_budget_of_a_model_holds_what_it_books(tmp_path: Path, address: str | None) -> None:
    """The call asks for a model; one of its releases answers."""
    one = observe(1, model="gpt-4o-2024-08-06", tokens=(1_000_000, 100))
    total = one.cost.total
    assert total is not None
    of_model = budget("gpt-4o", scope={"model": "gpt-4o"}, hard="10")
    with opened(tmp_path, of_model, address=address) as gate:
        said = {"tenant": "acme", "model": "gpt-4o", "amount": "5"}
        gate.post("reserve", id=one.id, **said)
        (held,) = gate.budgets()
        assert (held["scope"], held["held"], held["booked"]) == ("model=gpt-4o", "5", "0")
        gate.book(one)
        (booked,) = gate.budgets()
        assert (booked["held"], parse_money(booked["booked"])) == ("0", total)


def test_marks_that_are_crossed_are_shown(gate: Opened) -> None:
    assert gate.budgets(tenant="acme")[0]["crossed"] == []
    gate.book(observe(1, tokens=(3_300_000, 0)))
    (found,) = gate.budgets(tenant="acme")
    assert (found["booked"], found["percent"]) == ("8.25", 82)
    assert (found["crossed"], found["episode"]) == ([80], 1)


def test_a_charge_without_a_price_keeps_its_hold(gate: Opened) -> None:
    one = observe(1, model="no-such-model")
    gate.post("reserve", id=one.id, tenant="acme", amount="5")
    gate.book(one)
    assert gate.budgets(tenant="acme")[0]["held"] == "5"


def test_a_start_in_the_journal_says_that_a_call_went_out(gate: Opened) -> None:
    gate.post("reserve", id=observe(1).id, tenant="acme", amount="4", ttl_s=10)
    gate.begin(observe(1))
    gate.sweep(later_s=11)
    assert [hold.state for hold in gate.open_holds()] == ["lost"]
    assert gate.budgets(tenant="acme")[0]["held"] == "4"


def test_time_ends_holds(gate: Opened) -> None:
    gate.reserve(1, "1", ttl_s=10)
    gate.reserve(2, "2", ttl_s=10, dispatched=True)
    gate.reserve(3, "3", ttl_s=10)
    assert gate.post("dispatch", id=hold_id(3)).json()["state"] == "sent"
    gate.sweep(later_s=11)
    assert [gate.state(n) for n in (1, 2, 3)] == ["void", "lost", "lost"]
    assert gate.budgets(tenant="acme")[0]["held"] == "5", "what went out may have been billed"
    gate.sweep(later_s=30 * 86_400)
    assert {gate.state(n) for n in (1, 2, 3)} <= {"void", "none"}
    assert not gate.open_holds()


def test_a_late_settlement_counts_all_the_same(gate: Opened) -> None:
    gate.reserve(1, "1", ttl_s=10)
    gate.sweep(later_s=11)
    assert gate.budgets(tenant="acme")[0]["held"] == "0"
    assert gate.post("settle", id=hold_id(1), amount="0.5").json()["state"] == "measured"
    assert gate.budgets(tenant="acme")[0]["held"] == "0.5"


def test_a_lease_is_drawn_on(gate: Opened) -> None:
    assert gate.post("leases", id=hold_id(1), tenant="acme", amount="6").status_code == 200
    calls = [{"id": hold_id(n), "amount": "1.5"} for n in (11, 12)]
    assert gate.post("leases/draw", id=hold_id(1), calls=calls).json()["held"] == "3"
    assert gate.post("leases/draw", id=hold_id(1), calls=calls).json()["held"] == "3"
    assert gate.budgets(tenant="acme")[0]["held"] == "6", "what is committed stays the same"
    gate.post("settle", id=hold_id(11), amount="1")
    gate.post("release", id=hold_id(1))
    assert gate.budgets(tenant="acme")[0]["held"] == "2.5"


def test_a_tenant_sees_and_spends_its_own(gate: Opened) -> None:
    acme, globex = gate.token("acme"), gate.token("globex")
    assert gate.post("reserve", acme, id=hold_id(1), amount="1").status_code == 200
    assert gate.post("reserve", acme, id=hold_id(2), amount="1", tenant="globex").status_code == 403
    for path, more in (("settle", {"amount": "1"}), ("release", {}), ("extend", {"amount": "2"})):
        assert gate.post(path, globex, id=hold_id(1), **more).status_code == 403
    refused = gate.post("reserve", acme, id=hold_id(3), amount="11").json()
    assert refused.keys() == {"type", "scope", "reset_at", "on_gate_down", "allowance"}
    assert (refused["on_gate_down"], refused["allowance"]) == ("closed", None), "no sums"
    (own,) = gate.budgets(acme)
    assert own["scope"] == "tenant=acme"
    assert "booked" not in own, "what calls cost us is not a tenant's to see"
    assert gate.budgets(globex) == []
    found = gate.client.get("/v1/budgets", params={"tenant": "acme"}, headers=globex)
    assert found.status_code == 403


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer gate_00_x", "Basic Z2F0ZQ==", "Bearer " + "x" * 5_000, "Bearer gate__"],
)
def test_whoever_has_no_token_is_refused(gate: Opened, given: str) -> None:
    answer = gate.client.get("/v1/budgets", headers={"Authorization": given})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_forged_token_is_refused(gate: Opened) -> None:
    forged = gate.team["Authorization"][:-4] + "AAAA"
    assert gate.client.get("/v1/budgets", headers={"Authorization": forged}).status_code == 401


def test_all_that_is_wrong_is_said(gate: Opened) -> None:
    answer = gate.post("reserve", id="x", amount=-1, max_tokens=True, tenant="a\n", odd=1)
    assert answer.status_code == 400
    problems = answer.json()["problems"]
    assert [one.split(":")[0] for one in problems] == [
        "'odd'",
        "id",
        "tenant",
        "max_tokens",
        "amount",
    ]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"id": NaN}', b'{"id":"a","id":"b"}', b"[" * 50_000, b"\xff"]
)
def test_what_is_no_body_is_refused(gate: Opened, content: bytes) -> None:
    answer = gate.client.post("/v1/reserve", content=content, headers=gate.team)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "amount", ["1e3", "-1", "NaN", "1" + "0" * 30, 0.5, True, "1.0000000000000000001"]
)
def test_what_is_no_amount_is_refused(gate: Opened, amount: object) -> None:
    assert gate.reserve(1, amount).status_code == 400  # type: ignore[arg-type]


def test_a_body_that_is_too_long_is_refused(gate: Opened) -> None:
    answer = gate.client.post("/v1/reserve", content=b" " * 70_000, headers=gate.team)
    assert answer.status_code == 413


def test_a_ladder_is_climbed(tmp_path: Path) -> None:
    ladder = (
        Rung(50, "warn"),
        Rung(60, "downgrade", (("gpt-4o", "gpt-4o-mini"),)),
        Rung(80, "shrink"),
        Rung(100, "block"),
    )
    call = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1_000, "max_tokens": 100_000}
    with opened(
        tmp_path, budget("acme", scope={"tenant": "acme"}, hard="2", ladder=ladder)
    ) as gate:
        gate.reserve(1, "0.9")
        assert gate.reserve(2, "0.2").json()["decision"] == "warn"
        down = gate.reserve(3, None, **call).json()
        assert (down["decision"], down["model"]) == ("downgrade", "gpt-4o-mini")
        assert down["max_tokens"] == 100_000
        gate.reserve(4, "0.7")
        shrunk = gate.reserve(5, None, **{**call, "model": "gpt-4o-2024-08-06"}).json()
        assert shrunk["decision"] == "shrink"
        assert 0 < shrunk["max_tokens"] < 100_000
        left = 2 - sum(map(float, ("0.9", "0.2", down["held"], "0.7", shrunk["held"])))
        assert 0 <= left < 0.0001, "all that is left is given"
        assert gate.reserve(6, None, **call).status_code == 429


def test_that_less_may_be_written_is_said_whatever_else_is(tmp_path: Path) -> None:
    """By another model, and by fewer tokens than were asked for; or by fewer than the gate's own limit."""
    ladder = (Rung(60, "downgrade", (("gpt-4o", "gpt-4o-mini"),)), Rung(80, "shrink"))
    call = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1_000}
    one = budget("acme", scope={"tenant": "acme"}, hard="2", ladder=ladder)
    with opened(tmp_path, one) as gate:
        allowed = gate.reserve(1, None, **call).json()
        assert (allowed["decision"], allowed["shrunk"]) == ("allow", False)
        gate.reserve(2, str(Decimal("1.998") - Decimal(allowed["held"])))
        for n, limit in ((3, {"max_tokens": 100_000}), (4, {})):
            found = gate.reserve(n, None, **call, **limit).json()
            assert (found["decision"], found["shrunk"]) == ("downgrade", True)
            assert 0 < found["max_tokens"] < 16_384
            gate.post("release", id=hold_id(n))


def test_a_budget_is_paced(tmp_path: Path) -> None:
    paced = budget(
        "acme", scope={"tenant": "acme"}, hard="10", ladder=(Rung(80, "pace", burst=100),)
    )
    with opened(tmp_path, paced) as gate:
        assert gate.reserve(1, "7").json()["decision"] == "allow"
        answer = gate.reserve(2, "1.5").json()
        time_left_s = (1_796_083_200_000_000 - START_US) // 1_000_000
        assert answer["decision"] == "pace"
        assert answer["retry_after_s"] == time_left_s // 2


def test_a_call_is_deferred(tmp_path: Path) -> None:
    later = budget("acme", scope={"tenant": "acme"}, hard="10", ladder=(Rung(50, "defer"),))
    with opened(tmp_path, later) as gate:
        answer = gate.reserve(1, "6").json()
        assert (answer["decision"], answer["held"]) == ("defer", "0")
        assert gate.state(1) == "none"


@pytest.mark.parametrize(
    ("policy", "status", "held"),
    [("deny", 402, "0"), ("allow", 200, "0"), (3 * 10**17, 200, "0.3")],
)
def test_what_has_no_price(tmp_path: Path, policy: str | int, status: int, held: str) -> None:
    with opened(tmp_path, budget("acme", scope={"tenant": "acme"}, unknown_price=policy)) as gate:
        call = {
            "provider": "openai",
            "model": "no-such-model",
            "input_tokens": 10,
            "max_tokens": 10,
        }
        assert gate.reserve(1, None, **call).status_code == status
        assert gate.budgets()[0]["held"] == held


def test_the_price_is_what_a_tenants_budget_of_the_price_counts(tmp_path: Path) -> None:
    """Without a contract it is the cost; a tenant may see it."""
    with opened(tmp_path, budget("acme", scope={"tenant": "acme"}, side="price")) as gate:
        gate.reserve(1, "2")
        assert gate.budgets(gate.token("acme"))[0]["held"] == "2"
