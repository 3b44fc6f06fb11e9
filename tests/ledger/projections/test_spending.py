"""What tenants spent by the hour: sums that SQLite adds, to the last digit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_genai_cost.ledger.projections.spending import HOUR_US, KEPT_H
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.projections.credit_entries import NOW_US, UNIT, entry

_NOW_H = NOW_US // HOUR_US


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


_amounts = st.integers(-12 * UNIT, 12 * UNIT) | st.integers(-3, 3) | st.just(UNIT - 1)
_spent = st.tuples(
    st.sampled_from(["acme", "globex", None]),
    st.sampled_from(["USD", "EUR"]),
    st.integers(0, 3),
    _amounts,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(_spent, min_size=1, max_size=12), max_size=6))
def test_sums_are_exact_however_they_were_booked(
    tmp_path: Path, batches: list[list[tuple[str | None, str, int, int]]]
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    since, charge = ledger.entries.last_seq(), 0
    expected = Counter[tuple[str, str | None, int]]()
    with ledger.transaction():
        ledger.spending.forget(1 << 40)
        for batch in batches:
            booked = []
            for who, currency, hour, amount in batch:
                charge += 1
                at_us = NOW_US + hour * HOUR_US
                booked.append(
                    entry(since + charge, amount, tenant=who, currency=currency, occurred_us=at_us)
                )
                expected[currency, who, at_us // HOUR_US] += amount
            ledger.entries.append(booked)
    everybody = ledger.spending.spenders(_NOW_H, _NOW_H + 4)
    assert set(everybody) == {who for _, who, _ in expected}
    found = ledger.spending.of(everybody, _NOW_H, _NOW_H + 4)
    each = {
        (currency, who, hour): amount
        for currency, tenants in found.items()
        for who, hours in tenants.items()
        for hour, amount in hours.items()
    }
    assert each == {key: amount for key, amount in expected.items() if amount}
    together = Counter[tuple[str, int]]()
    for (currency, _, hour), amount in expected.items():
        together[currency, hour] += amount
    all_of_it = ledger.spending.together(_NOW_H, _NOW_H + 4)
    assert {
        (currency, hour): amount
        for currency, hours in all_of_it.items()
        for hour, amount in hours.items()
    } == {key: amount for key, amount in together.items() if amount}
    ledger.close()


def test_an_absurd_price_does_not_stop_the_books(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.entries.append([entry(1, 10**40), entry(2, -(10**45), tenant="globex")])
    assert ledger.entries.last_seq() == 2
    assert len(ledger.spending.spenders(0, 1 << 40)) == 2


def test_what_is_too_old_for_the_rules_is_forgotten(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.entries.append([entry(1, UNIT, occurred_us=NOW_US - KEPT_H * HOUR_US)])
        ledger.entries.append([entry(2, UNIT)])
        ledger.spending.forget(_NOW_H - KEPT_H + 1)
    assert ledger.spending.hours(0) == {"acme": [_NOW_H]}


def test_a_ledger_of_an_older_version_knows_it_once_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    old = Ledger(path)
    with old.transaction():
        old.entries.append([entry(1, UNIT), entry(2, UNIT)])
    old._db.execute("DROP TABLE spent")
    old._db.execute("DELETE FROM meta WHERE key = 'projected_spending'")
    old.close()
    opened = Ledger(path)
    assert opened.spending.together(0, 1 << 40) == {"USD": {_NOW_H: 2 * UNIT}}
    opened.close()
