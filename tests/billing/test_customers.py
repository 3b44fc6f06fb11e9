"""Whose customer a call is: who its tenant was when it ended, though that changes within a window, or is dated back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.billing.customers import Customers
from otel_genai_cost.billing.opening import connect
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.serving import run
from otel_genai_cost.billing.verify import compared
from otel_genai_cost.billing.windows import Windows
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.check import Written, rows_of
from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.pricing.instants import rfc3339
from tests.billing.ledgers import DAY_US, FIRST_US, HOUR_US, Booking, entry, post
from tests.billing.memory import ONE, Memory, destination, outbox, send
from tests.billing.vendors import KEY, VENDORS, Case, stage

_MINUTE_US = 60_000_000


def row(tenant: str, from_us: int, customer: str = "", **more: Any) -> dict[str, Any]:
    """A row of the registry: who a tenant is at the billing system from then on."""
    ids = {"billing_ids": {"memory": customer}} if customer else {}
    return {"tenant": tenant, "from": rfc3339(from_us), **ids, **more}


def becomes(tenant: str, us: int, *customers: str) -> list[dict[str, Any]]:
    """A tenant that is one customer, and from then on the other."""
    return [row(tenant, FIRST_US - 9 * DAY_US, customers[0]), row(tenant, us, customers[1])]


def test_parts_of_windows() -> None:
    windows = Windows(HOUR_US, {"a": [HOUR_US + 5, HOUR_US + 9, 3 * HOUR_US - 1]})
    starts = [windows.start("a", us) for us in (0, HOUR_US + 4, HOUR_US + 5, HOUR_US + 8)]
    assert starts == [0, HOUR_US, HOUR_US + 5, HOUR_US + 5]
    assert windows.start("a", 2 * HOUR_US - 1) == HOUR_US + 9
    assert windows.start("a", 2 * HOUR_US) == windows.start("b", 2 * HOUR_US + 7) == 2 * HOUR_US
    assert [windows.length("a", us) for us in (0, HOUR_US, HOUR_US + 5, HOUR_US + 9)] == [
        *(HOUR_US, 5, 4),
        HOUR_US - 9,
    ]
    assert windows.length("b", HOUR_US) == HOUR_US


def test_a_window_in_which_the_customer_changes_is_sent_in_parts(tmp_path: Path) -> None:
    vendor, at_us = Memory(), FIRST_US + 30 * _MINUTE_US
    rows = becomes("acme", at_us, "cus_1", "cus_2")
    for n, us in enumerate((at_us - 1, at_us, at_us + 29 * _MINUTE_US, at_us + HOUR_US), start=1):
        post(tmp_path, [entry(n, us)])
    assert send(tmp_path, vendor, destination(), rows=rows).made == 3
    assert [(one.customer, one.start_us, one.length_us) for one in vendor.sent] == [
        ("cus_1", FIRST_US, 30 * _MINUTE_US),
        ("cus_2", at_us, 30 * _MINUTE_US),
        ("cus_2", FIRST_US + HOUR_US, HOUR_US),
    ]
    assert vendor.sums() == {"cus_1": ONE, "cus_2": 3 * ONE}
    post(tmp_path, [entry(9, at_us - 5), entry(10, at_us + 5)])
    assert send(tmp_path, vendor, destination(), rows=rows).made == 2
    assert vendor.sums() == {"cus_1": 2 * ONE, "cus_2": 4 * ONE}
    assert send(tmp_path, vendor, destination(), rows=rows).made == 0


@pytest.mark.parametrize("within_us", [0, 17 * _MINUTE_US])
def test_who_is_dated_back_is_moved_without_a_further_call(tmp_path: Path, within_us: int) -> None:
    vendor, at_us = Memory(), FIRST_US + 5 * HOUR_US + within_us
    post(tmp_path, [entry(n + 1, FIRST_US + n * 10 * _MINUTE_US) for n in range(60)])
    rows = becomes("acme", FIRST_US + 9 * HOUR_US, "cus_1", "cus_2")
    send(tmp_path, vendor, destination(), rows=rows)
    assert vendor.sums() == {"cus_1": 54 * ONE, "cus_2": 6 * ONE}
    back = becomes("acme", at_us, "cus_1", "cus_2")
    before = 30 + -(-within_us // (10 * _MINUTE_US))
    for _ in range(2):
        send(tmp_path, vendor, destination(), rows=back)
        assert vendor.sums() == {"cus_1": before * ONE, "cus_2": (60 - before) * ONE}
    send(tmp_path, vendor, destination(), rows=rows)
    assert vendor.sums() == {"cus_1": 54 * ONE, "cus_2": 6 * ONE}
    send(tmp_path, vendor, destination(names_tenants=False))
    assert outbox(tmp_path, lambda one: len(one.unsent())) >= 10, "nobody says who it is now"


def test_what_is_no_other_customer_divides_and_sends_nothing(tmp_path: Path) -> None:
    vendor, at_us = Memory(), FIRST_US + 30 * _MINUTE_US
    rows = [row("acme", FIRST_US - DAY_US, "cus_1")]
    post(tmp_path, [entry(1, at_us - 1), entry(2, at_us + 1)])
    send(tmp_path, vendor, destination(), rows=rows)
    counted = outbox(tmp_path, lambda one: one.mark("cost"))
    more = [*rows, row("acme", at_us, "cus_1", plan="team")]
    assert send(tmp_path, vendor, destination(), rows=more).made == 0
    assert len(vendor.sent) == 1
    assert outbox(tmp_path, lambda one: one.mark("cost")) == counted


def test_a_round_that_ends_between_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = Memory()
    post(tmp_path, [entry(n + 1, FIRST_US + n * _MINUTE_US) for n in range(700)])
    send(tmp_path, vendor, destination(), rows=becomes("acme", FIRST_US, "cus_1", "cus_2"))

    class _Died(BaseException):
        pass

    def add(self: Outbox, amounts: Any) -> None:
        raise _Died

    rows = becomes("acme", FIRST_US + 350 * _MINUTE_US, "cus_1", "cus_2")
    with monkeypatch.context() as patched, pytest.raises(_Died):
        patched.setattr(Outbox, "add", add)
        send(tmp_path, vendor, destination(), rows=rows)
    assert vendor.sums() == {"cus_2": 700 * ONE}
    send(tmp_path, vendor, destination(), rows=rows)
    assert vendor.sums() == {"cus_1": 350 * ONE, "cus_2": 350 * ONE}


def _registry(chance: random.Random, tenants: Sequence[str]) -> list[dict[str, Any]]:
    """Rows at random: customers that change now and then, also within a window, and a tenant that is merged."""
    rows: list[dict[str, Any]] = []
    for tenant in tenants:
        begins = {chance.randrange(4 * 24) * 15 * _MINUTE_US for _ in range(chance.randrange(4))}
        for n, us in enumerate(sorted(begins)):
            customer = chance.choice(["", "cus_1", "cus_2", "cus_3"])
            is_merged = n and not customer and tenant != tenants[0]
            more = {"merged_into": tenants[0]} if is_merged else {}
            rows.append(row(tenant, FIRST_US + us, customer, **more))
    return [{**row(tenants[0], FIRST_US - DAY_US, "cus_0")}, *rows]


def _by_hand(entries: Iterable[Entry], rows: Sequence[Any]) -> dict[str, int]:
    """What each customer has to pay, call by call."""
    directory = directory_of(rows_of([Written(one, "tenants.toml", 1) for one in rows]))
    sums = Counter[str]()
    for one in entries:
        tenant = one.attribution.tenant
        piece = directory.at(tenant, one.occurred_us)
        found = dict(piece.row.billing.billing_ids) if piece else {}
        name = found.get("memory") or (piece.row.tenant if piece else tenant)
        sums[str(name)] += one.price
    return {customer: amount for customer, amount in sums.items() if amount}


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_registry_says_next_each_customer_has_what_is_its_own(
    tmp_path: Path, seed: int
) -> None:
    chance, tenants, vendor = random.Random(seed), ["a", "b", "c"], Memory()
    booking, booked = Booking(tenants, seed), list[Entry]()
    for _ in range(8):
        fresh = [*booking.calls(25, FIRST_US, FIRST_US + DAY_US), *booking.rated_again(4)]
        post(tmp_path, fresh)
        booked += fresh
        rows = _registry(chance, tenants)
        send(tmp_path, vendor, destination(), rows=rows)
        sums = {customer: amount for customer, amount in vendor.sums().items() if amount}
        assert sums == _by_hand(booked, rows)
        assert len({one.id for one in vendor.sent}) == len(vendor.sent)


@pytest.mark.parametrize("case", VENDORS, ids=lambda case: case.name or case.vendor)
def test_every_billing_system_has_what_each_customer_used(tmp_path: Path, case: Case) -> None:
    at_us = FIRST_US + 30 * _MINUTE_US
    rows = [
        {"tenant": "acme", "from": rfc3339(us), "billing_ids": {case.vendor: customer}}
        for us, customer in ((FIRST_US - DAY_US, "cus_1"), (at_us, "cus_2"))
    ]
    directory = directory_of(rows_of([Written(one, "tenants.toml", 1) for one in rows]))
    with stage(tmp_path, case) as at:
        calls = [entry(n + 1, FIRST_US + n * 7 * _MINUTE_US) for n in range(12)]
        post(at.home, calls)
        (done,) = run(
            *(at.home, [at.destination]),
            directory=lambda: directory,
            clock_us=at.clock,
            kinds=lambda name: at.kind,
        )
        assert done.sent.accepted == done.made > 0
        for customer, own in (
            ("cus_1", [one for one in calls if one.occurred_us < at_us]),
            ("cus_2", [one for one in calls if one.occurred_us >= at_us]),
        ):
            assert at.has(customer) * at.destination.meters[0].unit == sum(one.price for one in own)
            assert at.has(customer, "genai_tokens") == 1_100 * len(own)
        if not at.rules.verify:
            return
        vendor = at.kind(at.destination.settings, KEY)
        with (
            closing(Ledger(at.home / LEDGER_FILE, readonly=True)) as ledger,
            closing(connect(at.home)) as db,
        ):
            customers = Customers(at.destination, directory)
            box = Outbox(db, at.destination.name)
            days = list(
                compared(ledger, at.destination, at.rules, customers, box, vendor, at.clock.us)
            )
        assert {day.customer for day in days} == {"cus_1", "cus_2"}
        assert all(day.is_equal for day in days)
