"""What is sent of a ledger: differences only, to whoever is the customer, and nothing silently not."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from otel_genai_cost.billing.meter import Meter
from otel_genai_cost.billing.opening import billing_lock, connect
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.queued import Queued
from otel_genai_cost.billing.usage_event import UsageEvent, Window, event_id, units_of
from otel_genai_cost.billing.vendor import Came
from otel_genai_cost.errors import LedgerError, LedgerLockedError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from tests.billing.ledgers import DAY_US, FIRST_US, HOUR_US, entry, post
from tests.billing.memory import MONEY, NOW_US, ONE, Memory, destination, outbox, send


def test_ids_follow_from_what_they_are_about() -> None:
    window = Window("cost", "acme", '{"currency": "USD"}', FIRST_US)
    assert event_id(window, 1) == "ogb-738af6647dfce340ed88e2e7ce49f411"
    others = [window._replace(tenant="b"), window._replace(start_us=0), window._replace(meter="c")]
    assert len({event_id(one, 1) for one in [window, *others]} | {event_id(window, 2)}) == 5


def test_a_window_is_sent_once_it_has_ended_and_the_delay_has_passed(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(1, FIRST_US + 60_000_000)])
    ended_us = FIRST_US + HOUR_US + 600_000_000
    assert send(tmp_path, vendor, destination(), ended_us - 1).made == 0
    assert send(tmp_path, vendor, destination(), ended_us).made == 1
    assert [one.start_us for one in vendor.sent] == [FIRST_US]


def test_what_was_called_before_the_beginning_is_not_billed(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(1, FIRST_US - 1), entry(2, FIRST_US)])
    send(tmp_path, vendor, destination())
    assert vendor.sums() == {"acme": ONE}


def test_a_tenant_that_becomes_another_customer_is_moved(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(1, FIRST_US)])
    send(tmp_path, vendor, destination(customers={"acme": "cus_1"}))
    send(tmp_path, vendor, destination(customers={"acme": "cus_2"}))
    post(tmp_path, [entry(2, FIRST_US)])
    send(tmp_path, vendor, destination(customers={"acme": "cus_2"}))
    assert vendor.sums() == {"cus_1": 0, "cus_2": 2 * ONE}
    assert [one.revision for one in vendor.sent] == [1, 2, 3, 4][: len(vendor.sent)]


def test_who_is_nobodys_customer_is_listed_and_sent_once_somebody_says(tmp_path: Path) -> None:
    vendor, listed = Memory(), destination(names_tenants=False)
    post(tmp_path, [entry(1, FIRST_US), entry(2, FIRST_US, None)])
    send(tmp_path, vendor, listed)
    reasons = outbox(tmp_path, lambda one: [total.unsent for total in one.unsent()])
    assert reasons == ["nobody said which customer this tenant is", "it has no tenant"]
    row = {"tenant": "acme", "from": "2026-01-01T00:00:00Z", "billing_ids": {"memory": "cus_9"}}
    send(tmp_path, vendor, listed, rows=[row])
    assert vendor.sums() == {"cus_9": ONE}
    assert outbox(tmp_path, lambda one: len(one.unsent())) == 1


def test_merged_tenants_are_one_customer(tmp_path: Path) -> None:
    rows = [
        {"tenant": "acme", "from": "2026-01-01T00:00:00Z", "billing_ids": {"there": "cus_9"}},
        {"tenant": "old", "from": "2026-01-01T00:00:00Z", "merged_into": "acme"},
    ]
    vendor = Memory()
    post(tmp_path, [entry(1, FIRST_US), entry(2, FIRST_US, "old")])
    send(tmp_path, vendor, destination(), rows=rows)
    assert vendor.sums() == {"cus_9": 2 * ONE}


def test_another_currency_is_listed_and_never_added(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(1, FIRST_US), entry(2, FIRST_US, currency="EUR")])
    send(tmp_path, vendor, destination())
    assert vendor.sums() == {"acme": ONE}
    (one,) = outbox(tmp_path, Outbox.unsent)
    assert one.unsent == "it is in EUR, and the meter counts USD"


def test_where_nothing_negative_is_taken_it_is_listed_until_it_rises_again(tmp_path: Path) -> None:
    vendor = Memory(negative=False)
    post(tmp_path, [entry(1, FIRST_US)])
    send(tmp_path, vendor, destination())
    post(tmp_path, [entry(1, FIRST_US, amount=-1_000, revision=1, calls=0)])
    assert send(tmp_path, vendor, destination()).made == 0
    assert "lowers" in outbox(tmp_path, Outbox.unsent)[0].unsent
    post(tmp_path, [entry(2, FIRST_US, amount=5_000)])
    send(tmp_path, vendor, destination())
    assert vendor.sums() == {"acme": ONE + 4_000}
    assert outbox(tmp_path, Outbox.unsent) == []


def test_what_is_less_than_a_unit_is_sent_once_it_is_enough(tmp_path: Path) -> None:
    vendor = Memory(decimals=0)
    where = destination(meters=(MONEY._replace(unit=10**15),))
    for n in range(1, 4):
        post(tmp_path, [entry(n, FIRST_US, amount=400_000_000_000_000)])
        send(tmp_path, vendor, where)
    assert [one.value for one in vendor.sent] == ["1"]
    assert units_of(-1_999, 1_000, 0) == -(10**18)
    assert units_of(1_234_567, 10**18, 9) == 0


def test_every_way_to_count(tmp_path: Path) -> None:
    vendor = Memory()
    ways = ("calls", "tokens", "input_tokens", "output_tokens", "leaf:output", "cost", "price")
    only = Meter("only", "calls", only={"feature": ("chat",)})
    meters = (*(Meter(way, way, by=("feature",)) for way in ways), only)
    booked = [entry(1, FIRST_US, feature="chat"), entry(2, FIRST_US, feature="search")]
    post(tmp_path, booked)
    send(tmp_path, vendor, destination(meters=meters))
    found = {(e.meter, e.properties.get("feature")): e.value for e in vendor.sent}
    assert {found[way, "chat"] for way in ("cost", "price")} == {"0.0035"}
    assert [found[way, "search"] for way in ways[:5]] == ["1", "1100", "1000", "100", "100"]
    assert found["only", None] == "1"


def test_a_meter_that_is_another_one_is_refused(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(1, FIRST_US)])
    send(tmp_path, vendor, destination())
    changed = send(tmp_path, vendor, destination(meters=(MONEY._replace(counts="cost"),)))
    assert "not what it was" in changed.error
    assert vendor.sums() == {"acme": ONE}


def test_windows_of_another_length_are_refused_once_anything_was_sent(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(1, FIRST_US), entry(2, FIRST_US + HOUR_US)])
    by_quarters, by_days = (destination()._replace(window_us=us) for us in (HOUR_US // 4, DAY_US))
    assert send(tmp_path, vendor, by_days, FIRST_US + HOUR_US).made == 0
    assert send(tmp_path, vendor, by_quarters).made == 2
    changed = send(tmp_path, vendor, by_days)
    assert 'window = "15m"' in changed.error
    assert vendor.sums() == {"acme": 2 * ONE}


def test_where_the_beginning_is_moved_calls_count_from_then_on(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(n, FIRST_US + n * HOUR_US) for n in range(4)])
    for hours, calls in ((2, 2), (0, 4), (0, 4), (3, 1), (1, 3)):
        send(tmp_path, vendor, destination(from_us=FIRST_US + hours * HOUR_US))
        assert vendor.sums() == {"acme": calls * ONE}


def test_what_a_round_leaves_is_counted_until_it_is_taken(tmp_path: Path) -> None:
    vendor = Memory()
    vendor.answers = lambda event: Came("rejected", "no such customer")
    post(tmp_path, [entry(1, FIRST_US)])
    first = send(tmp_path, vendor, destination())
    again = send(tmp_path, vendor, destination(), NOW_US + DAY_US)
    assert [(one.sent.rejected, one.left) for one in (first, again)] == [(1, 1), (0, 1)]
    vendor.answers = lambda event: Came("accepted")
    (one,) = outbox(tmp_path, lambda box: box.in_state("rejected"))
    outbox(tmp_path, lambda box: box.requeue([one.n], NOW_US, was_taken=False))
    assert send(tmp_path, vendor, destination(), NOW_US + DAY_US).left == 0


def test_a_ledger_that_is_another_one_makes_differences_only(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(1, FIRST_US), entry(2, FIRST_US)])
    send(tmp_path, vendor, destination())
    (tmp_path / LEDGER_FILE).unlink()
    post(tmp_path, [entry(1, FIRST_US)])
    fewer = send(tmp_path, vendor, destination())
    assert "2 were counted" in fewer.error
    post(tmp_path, [entry(2, FIRST_US), entry(3, FIRST_US)])
    assert send(tmp_path, vendor, destination()).made == 1
    assert vendor.sums() == {"acme": 3 * ONE}


def test_an_outbox_that_is_gone_is_noticed(tmp_path: Path) -> None:
    post(tmp_path, [entry(1, FIRST_US)])
    send(tmp_path, Memory(), destination())
    for path in tmp_path.glob("billing.sqlite*"):
        path.unlink()
    with pytest.raises(LedgerError, match="is gone"):
        send(tmp_path, Memory(), destination())


def test_one_process_sends(tmp_path: Path) -> None:
    post(tmp_path, [entry(1, FIRST_US)])
    with billing_lock(tmp_path), pytest.raises(LedgerLockedError):
        send(tmp_path, Memory(), destination())


def test_events_and_outcomes_are_never_changed(tmp_path: Path) -> None:
    post(tmp_path, [entry(1, FIRST_US)])
    send(tmp_path, Memory(), destination())
    with closing(connect(tmp_path)) as db:
        for statement in ("UPDATE event SET quantity = '0'", "DELETE FROM outcome"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                db.execute(statement)


def test_a_batch_that_is_rejected_is_halved_until_the_culprit_is_known(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(n, FIRST_US, f"t{n}") for n in range(10)])
    bad = {"t3", "t8"}

    def send_all(events: Sequence[UsageEvent]) -> Sequence[Came]:
        vendor.requests.append(len(events))
        if bad & {one.customer for one in events}:
            return [Came("rejected", "one of them is wrong")] * len(events)
        vendor.sent += events
        return [Came("accepted")] * len(events)

    vendor.send = send_all  # type: ignore[method-assign]
    done = send(tmp_path, vendor, destination())
    assert (done.sent.accepted, done.sent.rejected) == (8, 2)
    assert vendor.sums() == {f"t{n}": ONE for n in range(10) if n not in (3, 8)}
    rejected: list[Queued] = outbox(tmp_path, lambda one: one.in_state("rejected"))
    assert {one.event.customer for one in rejected} == bad


def test_whatever_a_vendor_raises_leaves_it_open_whether_it_took_it(tmp_path: Path) -> None:
    vendor = Memory(remembers_us=DAY_US)
    post(tmp_path, [entry(1, FIRST_US)])

    def fail(events: Sequence[UsageEvent]) -> Sequence[Came]:
        raise RuntimeError("nobody knows")

    vendor.send = fail  # type: ignore[method-assign]
    assert send(tmp_path, vendor, destination()).sent.failed == 1
    (one,) = outbox(tmp_path, lambda one: one.in_state("waiting"))
    assert one.unsure_us == NOW_US
    later = send(tmp_path, vendor, destination(), NOW_US + DAY_US)
    assert later.sent.blocked == 1
    (one,) = outbox(tmp_path, lambda one: one.in_state("blocked"))
    assert "look there" in one.reason


@pytest.mark.parametrize("was_taken", [True, False])
def test_what_somebody_looked_up_is_sent_or_not(tmp_path: Path, was_taken: bool) -> None:
    vendor = Memory(remembers_us=DAY_US)
    post(tmp_path, [entry(1, FIRST_US)])
    vendor.answers = lambda event: Came("unsure", "no answer")
    send(tmp_path, vendor, destination())
    vendor.answers = lambda event: Came("accepted")
    send(tmp_path, vendor, destination(), NOW_US + DAY_US)
    (one,) = outbox(tmp_path, lambda one: one.in_state("blocked"))
    outbox(tmp_path, lambda box: box.requeue([one.n], NOW_US + DAY_US, was_taken=was_taken))
    send(tmp_path, vendor, destination(), NOW_US + DAY_US)
    assert vendor.sums() == ({} if was_taken else {"acme": ONE})
    states = [state for _, state, _ in outbox(tmp_path, lambda box: box.history(one.n))]
    assert states == [
        "waiting",
        "blocked",
        *(["accepted"] if was_taken else ["waiting", "accepted"]),
    ]


def test_a_clock_that_goes_back_makes_no_memory_younger(tmp_path: Path) -> None:
    vendor = Memory(remembers_us=DAY_US)
    post(tmp_path, [entry(1, FIRST_US)])
    vendor.answers = lambda event: Came("unsure", "no answer")
    send(tmp_path, vendor, destination())
    post(tmp_path, [entry(2, FIRST_US + HOUR_US)])
    vendor.answers = lambda event: Came("refused", "busy")
    send(tmp_path, vendor, destination(), NOW_US + 2 * DAY_US)
    vendor.answers = lambda event: Came("accepted")
    send(tmp_path, vendor, destination(), NOW_US + HOUR_US)
    assert [one.start_us for one in vendor.sent] == []
    send(tmp_path, vendor, destination(), NOW_US + 3 * DAY_US)
    assert [one.start_us for one in vendor.sent] == [FIRST_US + HOUR_US]


def test_a_vendor_that_is_away_is_not_asked_for_each_event(tmp_path: Path) -> None:
    vendor = Memory()
    post(tmp_path, [entry(n, FIRST_US, f"t{n}") for n in range(95)])
    vendor.answers = lambda event: Came("refused", "away")
    assert send(tmp_path, vendor, destination()).sent.failed == 30
    assert vendor.requests == [10, 10, 10]
    vendor.answers = lambda event: Came("accepted")
    for hours in (1, 12):
        send(tmp_path, vendor, destination(), NOW_US + hours * HOUR_US)
    assert vendor.sums() == {f"t{n}": ONE for n in range(95)}
