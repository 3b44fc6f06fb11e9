"""The contract of every billing system, over real HTTP: what the ledger has is there once, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.billing.customers import Customers
from otel_genai_cost.billing.opening import connect
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.vendor import Asked
from otel_genai_cost.billing.verify import Compared, compared
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.testing.standin.billing import BillingStandIn, Fault
from tests.billing.ledgers import DAY_US, FIRST_US, HOUR_US, Booking, entry, post
from tests.billing.vendors import KEY, VENDORS, Case, Stage, stage

ONE = 3_500_000_000_000_000


@pytest.fixture(params=VENDORS, ids=lambda case: case.name or case.vendor)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def at(case: Case, tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path, case) as made:
        yield made


def verified(at: Stage) -> list[Compared]:
    """What `verify` says, asked over HTTP."""
    vendor: Any = _Asked(at.standin)
    if at.rules.verify:
        vendor = at.kind(at.destination.settings, KEY)
    with closing(vendor), closing(connect(at.home)) as db, _ledger(at) as ledger:
        outbox, who = Outbox(db, at.destination.name), Customers(at.destination)
        return list(compared(ledger, at.destination, at.rules, who, outbox, vendor, at.clock.us))


class _Asked:
    """A stand-in for a vendor that cannot be asked."""

    def __init__(self, standin: BillingStandIn) -> None:
        self._standin = standin

    def quantities(self, asked: Asked) -> dict[int, int]:
        days = range(asked.from_us, asked.to_us, DAY_US)
        whose = asked.customer, asked.meter
        has = {day_us: self._standin.quantity(*whose, day_us, day_us + DAY_US) for day_us in days}
        return {day_us: parse_money(quantity) for day_us, quantity in has.items()}

    def close(self) -> None:
        """Nothing is open."""


def _ledger(at: Stage) -> closing[Ledger]:
    return closing(Ledger(at.home / LEDGER_FILE, readonly=True))


def units(at: Stage, atto: int) -> Decimal:
    """Money in the unit of the meter."""
    return Decimal(atto) / at.destination.meters[0].unit


def test_late_entries_and_new_rates_are_differences(at: Stage) -> None:
    booking = Booking([f"t{n}" for n in range(5)])
    size = 60 if at.rules.batch > 1 else 10
    for _ in range(3):
        post(at.home, booking.calls(size, FIRST_US, FIRST_US + DAY_US))
        post(at.home, booking.rated_again(size // 5))
        done = at.run()
        assert done.sent.accepted == done.made > 0
        at.clock.us += HOUR_US
    found = verified(at)
    assert {one.customer for one in found} == {f"t{n}" for n in range(5)}
    assert [one for one in found if not one.is_equal] == []
    for one in found:
        assert at.has(one.customer, one.meter) == Decimal(one.ledger) / 10**18
    assert at.run().made == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(503, after=True),
        Fault(0),
        Fault(0, after=True),
        Fault(500, part=True),
        Fault(429, retry_after_s=7_200),
        Fault(401),
    ],
    ids=str,
)
def test_what_goes_wrong_doubles_and_loses_nothing(at: Stage, fault: Fault) -> None:
    post(at.home, [entry(n, FIRST_US + n * HOUR_US, f"t{n % 3}") for n in range(9)])
    at.standin.faults += [fault, None, fault]
    done = at.run()
    assert done.sent.failed > 0
    assert done.sent.rejected == done.sent.blocked == 0
    at.settled()
    at.standin.faults.clear()
    assert [at.has(f"t{n}") for n in range(3)] == [units(at, 3 * ONE)] * 3
    assert at.standin.doubled == 0
    assert all(one.is_equal for one in verified(at))


def test_what_the_vendor_asks_for_is_waited_for(at: Stage) -> None:
    post(at.home, [entry(1, FIRST_US)])
    at.standin.faults += [Fault(429, retry_after_s=7_200)] * 2
    at.run()
    assert at.in_state("waiting")[0].due_us >= at.clock.us + 7_200_000_000
    received = at.standin.received
    at.clock.us += 7_100_000_000
    assert at.run().sent.accepted == 0
    assert at.standin.received == received


def test_a_wrong_key_rejects_nothing(at: Stage) -> None:
    post(at.home, [entry(1, FIRST_US)])
    (at.home / "key").write_text("another")
    assert at.run().sent.failed > 0
    (at.home / "key").write_text(KEY)
    at.settled()
    assert at.has("acme") == units(at, ONE)


def test_usage_older_than_the_vendor_takes_is_blocked_and_listed(at: Stage) -> None:
    past_us = at.rules.past_us
    if past_us is None:
        pytest.skip("it takes any time")
    post(at.home, [entry(1, at.clock.us - past_us - HOUR_US), entry(2, FIRST_US + 20 * HOUR_US)])
    done = at.run()
    assert (done.sent.blocked, done.sent.rejected, done.sent.failed) == (2, 0, 0)
    assert {one.reason.partition(":")[0] for one in at.in_state("blocked")} == {
        f"older than {at.rules.title} takes"
    }
    assert at.has("acme") == units(at, ONE)
    blocked = [one for one in verified(at) if not one.is_equal]
    assert [one.ledger - one.vendor for one in blocked] == [one.unsent for one in blocked] != []


def test_a_clock_that_was_ahead_loses_nothing(at: Stage) -> None:
    past_us = at.rules.past_us or 0
    post(at.home, [entry(1, FIRST_US + 20 * HOUR_US)])
    right_us = at.clock.us
    at.clock.us += past_us + 10 * DAY_US
    at.run()
    at.clock.us = right_us
    at.settled()
    assert at.has("acme") == units(at, ONE)
    assert at.in_state("blocked") == []


def test_what_may_have_been_taken_is_not_sent_again_once_it_is_forgotten(at: Stage) -> None:
    rules = at.rules
    if rules.remembers_us is None:
        pytest.skip("it remembers for ever")
    post(at.home, [entry(1, FIRST_US + 20 * HOUR_US)])
    at.standin.fault = lambda request: (
        None if request.path.endswith("session") else Fault(0, after=True)
    )
    at.run()
    at.standin.fault = lambda request: None
    at.clock.us += rules.remembers_us + HOUR_US
    received = at.standin.received
    assert at.run().sent.blocked == 2
    assert (at.standin.received, at.standin.doubled) == (received, 0)
    assert at.has("acme") == units(at, ONE)


def test_one_bad_event_holds_up_none_of_the_others(at: Stage) -> None:
    post(at.home, [entry(n, FIRST_US + n * HOUR_US, f"t{n}") for n in range(8)])
    at.standin.refuse_customer = "t5"
    done = at.settled()
    assert {one.event.customer for one in at.in_state("rejected")} == {"t5"}
    assert all(one.reason for one in at.in_state("rejected"))
    assert [at.has(f"t{n}") for n in range(8)] == [
        units(at, 0 if n == 5 else ONE) for n in range(8)
    ]
    assert done.sent.rejected in (0, 2)


def test_a_correction_lowers(at: Stage) -> None:
    post(at.home, [entry(1, FIRST_US), entry(2, FIRST_US + 60_000_000)])
    at.run()
    post(at.home, [entry(2, FIRST_US + 60_000_000, amount=-ONE // 2, revision=1, calls=0)])
    at.settled()
    assert at.has("acme") == units(at, ONE + ONE - ONE // 2)
    assert parse_money("0.00175") == ONE // 2


def test_what_cannot_be_lowered_is_said_to_be_known(at: Stage) -> None:
    post(at.home, [entry(1, FIRST_US)])
    at.settled()
    lowers = at._replace(destination=at.destination._replace(negative=False))
    post(at.home, [entry(1, FIRST_US, amount=-ONE // 2, revision=1, calls=0)])
    lowers.run()
    (one,) = [row for row in verified(lowers) if row.meter == "genai_cost"]
    assert (one.is_equal, one.unsent) == (False, one.ledger - one.vendor)
    assert "lowers what was sent" in one.reason
