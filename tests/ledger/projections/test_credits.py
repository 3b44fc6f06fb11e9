"""Which grants calls burn, what corrections give back, and what is left: in the ledger's own transactions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Line, rate_of
from tests.ledger.projections.credit_entries import DAY_US, NOW_US, UNIT, at, entry, event


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def _grant(ledger: Ledger, *written: dict[str, Any], now_us: int = NOW_US) -> None:
    with ledger.transaction():
        ledger.ingest([event(*written, now_us=now_us)], now_us, 0)


def _book(ledger: Ledger, *entries: Entry) -> None:
    with ledger.transaction():
        ledger.entries.append(entries)


def _burnt(ledger: Ledger) -> dict[str, int]:
    """What was burnt of each grant, by its ref, in whole units."""
    return {one.grant.ref: one.burnt // UNIT for one in ledger.credits.grants() if one.burnt}


def _balance(ledger: Ledger, now_us: int = NOW_US, currency: str = "USD") -> dict[str, int]:
    found = ledger.credits.balance("acme", currency, now_us, ledger.entries.last_seq())
    assert found is not None
    assert found.available == found.granted - found.burnt - found.expired - found.held
    names = ("granted", "burnt", "expired", "overdraft", "available", "upcoming", "expiring")
    return {name: getattr(found, name) // UNIT for name in names if getattr(found, name)}


def test_grants_are_burnt_by_priority_expiry_cost_basis_and_creation(ledger: Ledger) -> None:
    _grant(
        ledger,
        {"ref": "last", "priority": 90},
        {"ref": "paid", "cost_basis": "0.9"},
        {"ref": "unknown basis"},
        {"ref": "cheap", "cost_basis": "0.5"},
        {"ref": "promo", "kind": "promo"},
        {"ref": "soon", "expires": at(1)},
        {"ref": "sooner", "expires": at(0.5)},
        {"ref": "first", "priority": 1},
        {"ref": "promo since", "kind": "promo"},
    )
    order = (
        "first",
        "sooner",
        "soon",
        "promo",
        "promo since",
        "cheap",
        "paid",
        "unknown basis",
        "last",
    )
    for n in range(len(order)):
        _book(ledger, entry(n, 10 * UNIT))
        assert _burnt(ledger) == dict.fromkeys(order[: n + 1], 10)


def test_what_no_grant_covers_is_overdrawn_and_paid_by_the_next(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a"})
    _book(ledger, entry(1, 7 * UNIT), entry(2, 8 * UNIT))
    assert _balance(ledger) == {"granted": 10, "burnt": 15, "overdraft": 5, "available": -5}
    _grant(ledger, {"ref": "top-up", "amount": "20"}, now_us=NOW_US + 5)
    assert _balance(ledger, NOW_US + 5) == {"granted": 30, "burnt": 15, "available": 15}
    assert _burnt(ledger) == {"a": 10, "top-up": 5}


def test_a_correction_gives_back_what_its_own_charge_burnt_last_first(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a", "priority": 1}, {"ref": "b", "priority": 2})
    _book(ledger, entry(1, 14 * UNIT), entry(2, 2 * UNIT), entry(1, -5 * UNIT, revision=1))
    assert _burnt(ledger) == {"a": 9, "b": 2}
    _book(ledger, entry(3, 1 * UNIT))  # the hole is filled first
    assert _burnt(ledger) == {"a": 10, "b": 2}
    _book(ledger, entry(1, -9 * UNIT, revision=2))
    assert _burnt(ledger) == {"a": 1, "b": 2}
    assert _balance(ledger) == {"granted": 20, "burnt": 3, "available": 17}


def test_what_is_given_back_pays_what_others_overdrew(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a"})
    _book(ledger, entry(1, 10 * UNIT), entry(2, 4 * UNIT), entry(1, -10 * UNIT, revision=1))
    assert _balance(ledger) == {"granted": 10, "burnt": 4, "available": 6}
    assert _burnt(ledger) == {"a": 4}


def test_a_correction_of_more_than_was_burnt_is_not_lost(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a"})
    _book(ledger, entry(1, -3 * UNIT), entry(2, 12 * UNIT))
    assert _balance(ledger) == {"granted": 10, "burnt": 9, "available": 1}


def test_a_charge_that_goes_to_another_tenant_is_given_back_to_the_first(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a"}, {"ref": "b", "tenant": "globex"})
    _book(ledger, entry(1, 4 * UNIT))
    _book(
        ledger,
        entry(1, -4 * UNIT, revision=1),
        entry(1, 4 * UNIT, revision=1, place=1, tenant="globex"),
    )
    assert _burnt(ledger) == {"b": 4}


def test_an_expired_grant_is_a_row_and_a_late_call_of_its_time_still_burns_it(
    ledger: Ledger,
) -> None:
    _grant(ledger, {"ref": "a", "expires": at(1)})
    _book(ledger, entry(1, 4 * UNIT))
    assert _balance(ledger) == {"granted": 10, "burnt": 4, "expiring": 6, "available": 6}
    later_us = NOW_US + 2 * DAY_US
    assert _balance(ledger, later_us) == {"granted": 10, "burnt": 4, "expired": 6}
    assert ledger.credits.is_due(later_us)
    with ledger.transaction():
        ledger.credits.pass_time(later_us)
    assert not ledger.credits.is_due(later_us)
    _book(ledger, entry(2, 1 * UNIT, occurred_us=later_us, booked_us=later_us))
    _book(ledger, entry(3, 2 * UNIT, booked_us=later_us))
    assert _balance(ledger, later_us) == {
        "granted": 10,
        "burnt": 7,
        "expired": 4,
        "overdraft": 1,
        "available": -1,
    }


def test_a_clock_that_was_ahead_takes_no_credit_for_good(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a", "expires": at(30)})
    for now_us in (NOW_US + 400 * DAY_US, NOW_US + 1):
        with ledger.transaction():
            ledger.credits.pass_time(now_us)
    assert _balance(ledger) == {"granted": 10, "expiring": 10, "available": 10}


def test_a_grant_that_begins_later_is_no_credit_yet(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "now"}, {"ref": "next month", "from": at(30), "amount": "100"})
    _book(ledger, entry(1, 12 * UNIT))
    assert _balance(ledger) == {
        "granted": 10,
        "burnt": 12,
        "overdraft": 2,
        "upcoming": 100,
        "available": -2,
    }
    then_us = NOW_US + 30 * DAY_US
    with ledger.transaction():
        ledger.credits.pass_time(then_us)
    assert _balance(ledger, then_us) == {"granted": 110, "burnt": 12, "available": 98}


def test_what_occurred_before_the_first_grant_is_paid_otherwise(ledger: Ledger) -> None:
    _book(ledger, entry(1, 500 * UNIT, occurred_us=NOW_US - 1), entry(2, 3 * UNIT))
    _grant(ledger, {"ref": "a"})
    assert _balance(ledger) == {"granted": 10, "burnt": 3, "available": 7}
    _grant(ledger, {"ref": "since yesterday", "amount": "100", "from": at(-1)})
    assert _balance(ledger)["burnt"] == 503
    _book(ledger, entry(1, -499 * UNIT, revision=1, occurred_us=NOW_US - 1))
    assert _balance(ledger) == {"granted": 110, "burnt": 4, "available": 106}


def test_credit_of_one_currency_pays_no_other_and_that_is_shown(ledger: Ledger) -> None:
    _book(ledger, entry(1, 9 * UNIT, occurred_us=NOW_US - DAY_US))
    _grant(ledger, {"ref": "a", "currency": "ACU"})
    _book(ledger, entry(2, 2 * UNIT), entry(3, 5 * UNIT, currency="ACU"))
    assert _balance(ledger, currency="ACU") == {"granted": 10, "burnt": 5, "available": 5}
    assert ledger.credits.balance("acme", "USD", NOW_US, 0) is None
    assert ledger.credits.outside("acme") == [("USD", 2 * UNIT)]
    _grant(ledger, {"ref": "b", "from": at(-2)})
    assert ledger.credits.outside("acme") == []
    assert _balance(ledger) == {"granted": 10, "burnt": 11, "overdraft": 1, "available": -1}


def test_a_call_without_a_price_burns_nothing_and_is_counted(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a"})
    _book(ledger, entry(1, 0, unpriced=1), entry(2, 0, unpriced=1))
    _book(ledger, entry(1, 3 * UNIT, revision=1, unpriced=-1))
    found = ledger.credits.balance("acme", "USD", NOW_US, 3)
    assert found is not None and (found.unpriced, found.burnt) == (1, 3 * UNIT)


def test_nobodys_calls_burn_nothing(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a"})
    _book(ledger, entry(1, UNIT, tenant=None), entry(2, UNIT, tenant="globex"))
    assert _balance(ledger) == {"granted": 10, "available": 10}
    assert ledger.credits.balance("globex", "USD", NOW_US, 0) is None


def test_a_ref_that_was_used_stays_what_it_was(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    _grant(ledger, {"ref": "a"})
    _grant(ledger, {"ref": "a"}, now_us=NOW_US + 1)
    assert not caplog.records
    _grant(ledger, {"ref": "a", "amount": "11"})
    assert _balance(ledger) == {"granted": 10, "available": 10}
    assert "'a' was there with other contents" in caplog.text


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "grant"},
        {"type": "grant", "grants": 7},
        {"type": "grant", "grants": [{}]},
        {"type": "grant", "grants": [{**event({"ref": "a"})["grants"][0], "amount": "-1"}]},
        {"type": "grant", "grants": [{**event({"ref": "a"})["grants"][0], "priority": "1"}]},
        {"type": "grant", "grants": [{**event({"ref": "a"})["grants"][0], "expires_us": "1"}]},
    ],
)
def test_an_event_that_says_no_grant_changes_nothing(
    ledger: Ledger, broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with ledger.transaction():
        ledger.ingest([broken], NOW_US, 0)
    assert ledger.credits.grants() == []
    assert "cannot be read" in caplog.text


def test_a_ledger_that_knew_no_credit_is_read(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite").close()
    opened = Ledger(tmp_path / "ledger.sqlite")
    for table in ("account", "grant", "burn", "expiry", "overdraft"):
        opened._db.execute(f"DROP TABLE credit_{table}")
    opened.close()
    reader = Ledger(tmp_path / "ledger.sqlite", readonly=True)
    assert reader.credits.balance("acme", "USD", NOW_US, 0) is None
    assert reader.credits.balances(NOW_US, 0) == []
    reader.close()


def _asked(ledger: Ledger) -> list[tuple[str, str]]:
    """What the tenant was asked: what it has, and what was granted until then."""
    found = ledger.notices.since(0, "tenant", "acme")
    assert len(found) == len(ledger.notices.since(0, "team"))
    return [(one.notice.facts["available"], one.notice.facts["granted"]) for one in found]


def test_a_top_up_is_asked_for_once_until_there_is_one(ledger: Ledger) -> None:
    mark = {"type": "credit_mark", "tenant": "acme", "currency": "USD", "below": "5"}
    with ledger.transaction():
        ledger.ingest([mark], NOW_US, 0)
    _grant(ledger, {"ref": "a"})
    _book(ledger, entry(1, 5 * UNIT))
    assert _asked(ledger) == []
    _book(ledger, entry(2, 2 * UNIT))
    _book(ledger, entry(2, -1 * UNIT, revision=1), entry(3, 4 * UNIT))
    _book(ledger, entry(3, -4 * UNIT, revision=1), entry(2, -1 * UNIT, revision=2))  # above it
    _book(ledger, entry(4, 1 * UNIT))
    assert _asked(ledger) == [("3", "10")]
    _grant(ledger, {"ref": "not enough", "amount": "0.5"})
    assert _asked(ledger) == [("3", "10")]
    _grant(ledger, {"ref": "enough", "amount": "3.5"})
    _book(ledger, entry(5, 5 * UNIT))
    assert _asked(ledger) == [("3", "10"), ("3", "14")]


def test_another_mark_is_asked_by_as_well(ledger: Ledger) -> None:
    def mark(below: str | None) -> None:
        one = {"type": "credit_mark", "tenant": "acme", "currency": "USD", "below": below}
        with ledger.transaction():
            ledger.ingest([one], NOW_US, 0)

    mark("5")
    _grant(ledger, {"ref": "a"})
    _book(ledger, entry(1, 6 * UNIT))
    assert _asked(ledger) == [("4", "10")]
    mark("3")
    assert _asked(ledger) == [("4", "10")], "it is above that"
    _book(ledger, entry(2, 2 * UNIT))
    mark("3")
    assert _asked(ledger) == [("4", "10"), ("2", "10")], "and below it, once"
    mark("2.5")
    assert _asked(ledger)[2:] == [("2", "10")]


def test_a_price_in_credits_burns_credits(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a", "currency": "ACU"})
    line = Line("list", "input", 1, rate_of("4", 1), 4 * UNIT, side="price")
    _book(ledger, entry(1, 2 * UNIT)._replace(lines=(line,), billed_in="ACU"))
    assert _balance(ledger, currency="ACU") == {"granted": 10, "burnt": 4, "available": 6}
    assert ledger.credits.outside("acme") == []


def _pass_time(ledger: Ledger, days: float) -> None:
    now_us = NOW_US + round(days * DAY_US)
    if ledger.credits.is_due(now_us):
        with ledger.transaction():
            ledger.credits.pass_time(now_us)


def _said(ledger: Ledger) -> list[tuple[str | None, str, int]]:
    """Whose credit ends, how much, and in how many days from the tests' present; both audiences have the same."""
    mine, theirs = (
        [
            (one.notice.tenant, one.notice.facts["expiring"], one.notice.facts["expires_us"])
            for one in found
        ]
        for found in (ledger.notices.since(0, "team"), ledger.notices.since(0, "tenant", "acme"))
    )
    assert theirs == [one for one in mine if one[0] == "acme"]
    return [(who, left, (us - NOW_US) // DAY_US) for who, left, us in mine]


def test_what_will_soon_be_void_is_said_once_a_week_before(ledger: Ledger) -> None:
    _grant(
        ledger,
        {"ref": "a", "expires": at(30)},
        {"ref": "b", "amount": "2", "expires": at(30), "priority": 99},
        {"ref": "for ever"},
        {"ref": "ours", "tenant": "globex", "expires": at(60)},
    )
    _book(ledger, entry(1, 4 * UNIT))
    _pass_time(ledger, 22.9)
    assert _said(ledger) == []
    _pass_time(ledger, 23)
    assert _said(ledger) == [("acme", "8", 30)]
    for days in (23.1, 29, 31, 54):
        _pass_time(ledger, days)
    assert _said(ledger) == [("acme", "8", 30), ("globex", "10", 60)]


def test_what_is_spent_or_over_or_not_begun_is_not_said_to_be_void_soon(ledger: Ledger) -> None:
    _grant(
        ledger,
        {"ref": "spent", "expires": at(30), "amount": "4"},
        {"ref": "later", "from": at(31), "expires": at(90)},
        {"ref": "over", "tenant": "globex", "expires": at(3)},
    )
    _book(ledger, entry(1, 4 * UNIT))
    _pass_time(ledger, 25)
    assert _said(ledger) == []
    _book(ledger, entry(1, -1 * UNIT, revision=1))  # given back in its last week
    _pass_time(ledger, 25.1)
    assert _said(ledger) == [("acme", "1", 30)]


def test_of_a_short_life_the_last_quarter_is_soon(ledger: Ledger) -> None:
    _grant(ledger, {"ref": "a day", "expires": at(1)})
    _pass_time(ledger, 0.74)
    assert _said(ledger) == []
    _pass_time(ledger, 0.75)
    assert _said(ledger) == [("acme", "10", 1)]


def test_an_event_of_expiring_credit_that_is_broken_says_nothing(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    for ends in (None, [1], [["acme", "USD", 1, "much"]], [["acme", "USD", "soon", "1"]]):
        with ledger.transaction():
            ledger.ingest([{"type": "credit_expiring", "at_us": 1, "ends": ends}], NOW_US, 0)
    assert _said(ledger) == []
    assert len(caplog.records) == 4
