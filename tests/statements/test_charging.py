"""What a plan makes of a period: a statement of its lines, revised by differences like any other."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.ledger.tenants.billing_terms import BillingTerms
from otel_genai_cost.ledger.tenants.directory import Directory, directory_of
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.statements.plans import Allowance, Overage, Plan, PlanKind, SeatCount
from tests.statements.ledgers import book, entry
from tests.statements.runs import amount, prices, row, run

_BEGIN = "2026-01-01T00:00:00Z"
_AT = "2026-10-05T00:00:00Z"


def plan(kind: PlanKind, currency: str = "USD", from_: str = _BEGIN, **more: Any) -> Plan:
    return Plan("pro", kind, currency, microseconds(from_), **more)


def registered(zone: str | None = None, **terms: Any) -> Directory:
    billing = BillingTerms(time_zone=zone, **terms)
    return directory_of([row("acme", _BEGIN, words={"plan": "pro"})._replace(billing=billing)])


def test_calls_with_a_markup_and_the_calls_of_others_as_they_are(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", _AT, "10"), entry(2, "bolt", _AT, "10")])
    marked = (plan("usage", markup=ATTO // 4),)
    one, other = run(tmp_path, directory=registered(), plans=marked).stated
    assert (one.tenant, one.price, one.metered, one.plan) == (
        *("acme", amount("12.5"), amount("10")),
        "pro",
    )
    (line,) = one.lines
    assert (line.model, line.quantity, line.exact, line.cost) == (
        *("gpt-4o", 100, amount("12.5")),
        amount("10"),
    )
    assert (other.tenant, other.price, other.plan) == ("bolt", amount("10"), None)


def test_seats_are_paid_without_a_call_and_late_calls_beyond_the_allowance_are_a_difference(
    tmp_path: Path,
) -> None:
    seats = plan(
        "seat",
        fee=amount("30"),
        seats=(SeatCount("acme", 10, microseconds(_BEGIN)),),
        allowance=Allowance("money", amount("5"), per_seat=True),
        overage=Overage(0),
    )
    book(tmp_path, [entry(1, "bolt", _AT)])
    directory = registered()
    (one,) = (
        s for s in run(tmp_path, directory=directory, plans=(seats,)).stated if s.tenant == "acme"
    )
    assert (one.price, one.total, one.calls) == (amount("300"), amount("300"), 0)
    book(tmp_path, [entry(2, "acme", _AT, "48")])
    book(tmp_path, [entry(3, "acme", _AT, "7.5")])
    found = run(tmp_path, directory=directory, plans=(seats,)).stated
    (two,) = (s for s in found if s.tenant == "acme" and s.revision == 2)
    assert (two.price, two.metered, two.cost) == (amount("5.5"), amount("55.5"), amount("55.5"))
    assert {line.product: line.amount for line in two.lines} == {
        "AI included": 0,
        "AI beyond the allowance": amount("5.5"),
    }
    assert not run(tmp_path, directory=directory, plans=(seats,)).fresh


def test_two_counts_of_seats_are_two_lines(tmp_path: Path) -> None:
    middle = microseconds("2026-10-16T12:00:00Z")
    counts = (
        SeatCount("acme", 10, microseconds(_BEGIN), middle),
        SeatCount("acme", 20, middle),
    )
    book(tmp_path, [entry(1, "acme", _AT)])
    found = run(
        tmp_path, directory=registered(), plans=(plan("seat", fee=amount("31"), seats=counts),)
    )
    (one,) = found.stated
    assert one.price == amount("465")
    assert [(line.product, line.quantity) for line in one.lines if line.unit == "seats"] == [
        ("pro, seats", 10),
        ("pro, seats, part 2", 20),
    ]


def test_a_flat_fee_is_shared_by_periods_that_a_zone_change_makes(tmp_path: Path) -> None:
    directory = directory_of(
        [
            row("acme", _BEGIN, "UTC", words={"plan": "pro"}),
            row("acme", "2026-10-11T00:00:00Z", "Asia/Tokyo", words={"plan": "pro"}),
        ]
    )
    book(tmp_path, [entry(1, "bolt", _AT)])
    found = run(tmp_path, directory=directory, plans=(plan("flat", fee=amount("31")),)).stated
    fees = {one.zone: one.price for one in found if one.tenant == "acme"}
    assert fees["UTC"] == amount("10")
    assert amount("20.6") < fees["Asia/Tokyo"] < amount("21")
    november = run(
        tmp_path,
        directory=directory,
        plans=(plan("flat", fee=amount("31")),),
        day=date(2026, 11, 1),
        now="2027-01-01T00:00:00Z",
    )
    assert [one.price for one in november.stated] == [amount("31")]


def test_a_plan_in_another_currency_than_the_calls_is_not_closed(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", _AT)])
    found = run(tmp_path, directory=registered(), plans=(plan("flat", "EUR", fee=amount("9")),))
    assert {(one.currency, one.state) for one in found.statements} == {
        ("EUR", "stated"),
        ("USD", "blocked"),
    }


@pytest.mark.parametrize("kind", ["seat", "flat"])
def test_a_contract_of_seats_without_a_plan_is_not_closed(tmp_path: Path, kind: str) -> None:
    book(tmp_path, [entry(1, "acme", _AT)])
    (one,) = run(tmp_path, directory=registered(contract_type=kind)).statements
    assert one.state == "blocked"
    assert kind in one.notes[0]
    assert prices(run(tmp_path, directory=registered(contract_type="usage"))) == {
        ("acme", 1): amount("0.0123")
    }


def test_parts_of_a_tenant_have_the_prices_of_their_calls(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", _AT, "3", labels={"feature": "chat"})])
    flat = (plan("flat", fee=amount("9")),)
    (one,) = run(tmp_path, directory=registered(), plans=flat, scope="feature").stated
    assert (one.price, one.plan) == (amount("3"), None)


def test_a_currency_that_the_registry_does_not_expect_is_remarked(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", _AT)])
    (one,) = run(tmp_path, directory=registered(currency="EUR")).stated
    assert one.notes == ("its row says that it pays in EUR, and these calls are priced in USD",)
    assert run(tmp_path, directory=registered(currency="USD")).fresh == (), "no revision for that"
