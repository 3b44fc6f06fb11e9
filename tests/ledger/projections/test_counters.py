"""What is booked of a budget is the sum of its entries, whenever the budget was made and whatever was booked since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.contracts.file import read_contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget, budget_record
from tests.ledger.build import START_US, observe, tenant
from tests.limits.build import budget

_LATE_US = START_US + 400 * 86_400_000_000
_USD_IN_EUR = """
schema = "otel-genai-cost-contracts/1"
[[fx]]
base = "USD"
quote = "EUR"
rate = 0.9
from = 2026-01-01T00:00:00Z
source = "bank"
"""


def decide(ledger: Ledger, one: Budget, now_us: int = START_US) -> None:
    with ledger.transaction():
        ledger.ingest([{"type": BUDGET, **budget_record(one)}], now_us, 0)


def post(ledger: Ledger, *observations: Any, now_us: int = START_US) -> None:
    with ledger.transaction():
        ledger.ingest([to_record(one) for one in observations], now_us, 0)
        settle_waiting(ledger, 1 << 62, now_us, lambda _, __: None)


def sums(entries: list[Entry], one: Budget) -> Mapping[tuple[str, int], int]:
    """Worked out anew: entry by entry, each for itself."""
    found: Counter[tuple[str, int]] = Counter()
    for entry in entries:
        labels = entry.attribution.labels
        model = (entry.model or "").removesuffix("-2024-08-06") or None
        key = one.key({**labels, "tenant": entry.attribution.tenant, "model": model})
        if key is not None:
            found[key, one.period_at(entry.occurred_us)[0]] += entry.amount
    return found


def assert_counted(ledger: Ledger, one: Budget) -> None:
    expected = sums(list(ledger.entries), one)
    assert expected
    for (key, from_us), amount in expected.items():
        assert ledger.budgets.booked(one.series, key, from_us) == amount


def _calls(first: int, count: int) -> list[Any]:
    return [
        observe(
            n,
            trace=n,
            start_s=n * 40_000,
            end_s=n * 40_000 + 1,
            tokens=(n * 100, n),
            attribution=tenant(("acme", "globex", None)[n % 3], feature=("chat", "search")[n % 2]),
        )
        for n in range(first, first + count)
    ]


_BUDGETS = (
    budget(),
    budget("days", period="day", zone="America/Santiago", scope={"tenant": "*"}),
    budget("acme", scope={"tenant": "acme", "feature": "*"}),
    budget("model", period="total", scope={"model": "gpt-4o"}),
)


def test_counters_are_the_sums_of_entries(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, _BUDGETS[0])
    post(ledger, *_calls(1, 20))
    for one in _BUDGETS:  # those that are new begin with what is there
        decide(ledger, one)
    post(ledger, *_calls(21, 20))
    for one in _BUDGETS:
        assert_counted(ledger, one)
    ledger.close()


def test_a_charge_of_another_tenant_moves_its_sum(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    one = budget(scope={"tenant": "*"})
    decide(ledger, one)
    inner = observe(1, above=(2,), attribution=tenant("acme", "baggage"))
    outer = observe(2, end_s=2, scope="framework", attribution=tenant("globex", "edge"))
    post(ledger, inner)
    from_us, _ = one.period_at(inner.end_us)
    assert ledger.budgets.booked(one.series, "tenant=acme", from_us) == inner.cost.total
    post(ledger, outer)
    assert ledger.budgets.booked(one.series, "tenant=acme", from_us) == 0
    assert ledger.budgets.booked(one.series, "tenant=globex", from_us) == inner.cost.total
    assert_counted(ledger, one)
    ledger.close()


def test_another_currency_is_converted_by_the_row_of_its_time_or_shown(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    one = budget(currency="EUR")
    decide(ledger, one)
    call = observe(1, tokens=(1_000_000, 0))
    post(ledger, call)
    from_us, _ = one.period_at(call.end_us)
    assert call.cost.total == 25 * 10**17
    assert ledger.budgets.booked(one.series, "organisation", from_us) == 0
    (shown,) = ledger.budgets.counters(one.series)
    assert (shown.currency, shown.booked) == ("USD", call.cost.total)

    ledger.bill_by(read_contracts(_USD_IN_EUR.encode()))
    post(ledger, observe(2, trace=2, tokens=(1_000_000, 0)))
    assert ledger.budgets.booked(one.series, "organisation", from_us) == 45 * 10**17
    (shown,) = ledger.budgets.counters(one.series)
    assert (shown.currency, shown.calls, shown.foreign_entries) == ("EUR", 2, 2)
    ledger.close()


def test_calls_without_a_price_are_counted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    one = budget()
    decide(ledger, one)
    post(ledger, observe(1, model="nobody-knows-it"), observe(2, trace=2))
    (found,) = ledger.budgets.counters(one.series)
    assert (found.calls, found.unpriced) == (2, 1)
    ledger.close()


@pytest.mark.parametrize("back_us", [0, 10**12])
def test_what_is_booked_after_a_periods_end_is_late_and_clock_steps_change_no_sum(
    tmp_path: Path, back_us: int
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    one = budget()
    decide(ledger, one)
    post(ledger, observe(1))
    post(ledger, observe(2, trace=2), now_us=_LATE_US)
    post(ledger, observe(3, trace=3), now_us=START_US - back_us)
    (found,) = ledger.budgets.counters(one.series)
    assert (found.calls, found.late_entries) == (3, 1)
    assert_counted(ledger, one)
    ledger.close()


def test_a_ledger_of_an_older_version_is_caught_up_with(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    decide(ledger, budget())
    post(ledger, *_calls(1, 5))
    ledger._db.execute("DELETE FROM counter")
    ledger._db.execute("UPDATE meta SET value = '0' WHERE key = 'projected_budgets'")
    ledger.close()
    ledger = Ledger(path)
    assert_counted(ledger, budget())
    ledger.close()


def test_a_ledger_without_the_tables_has_no_budgets(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger._db.executescript("DROP TABLE budget; DROP TABLE counter; DROP TABLE crossing;")
    ledger.close()
    ledger = Ledger(path, readonly=True)
    assert ledger.budgets.active(START_US) == ()
    assert ledger.budgets.booked("x", "organisation", 0) == 0
    ledger.close()


def test_the_version_that_holds_is_the_last_that_began(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, budget(valid_from_us=10, recorded_at_us=1, hard="1"))
    decide(ledger, budget(valid_from_us=20, recorded_at_us=2, hard="2", valid_to_us=30))
    decide(ledger, budget(valid_from_us=10, recorded_at_us=3, hard="3"))
    held = {at: [one.version for one in ledger.budgets.active(at)] for at in (9, 10, 20, 30)}
    assert held == {9: [], 10: [3], 20: [2], 30: []}
    ledger.close()


@pytest.mark.parametrize("broken", [{"hard": "x"}, {"zone": "Nowhere"}, {"scope": 3}, {"id": None}])
def test_an_event_that_cannot_be_read_stops_nothing(
    tmp_path: Path, broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    record = {**budget_record(budget()), **broken}
    if broken == {"id": None}:
        del record["id"]
    with ledger.transaction():
        ledger.ingest([{"type": BUDGET, **record}], START_US, 0)
    assert ledger.budgets.active(START_US) == ()
    assert "cannot be read" in caplog.text
    ledger.close()


_MARK_UP = """
schema = "otel-genai-cost-contracts/1"
[[contract]]
id = "mark-up"
source = "signed"
side = "price"
order = 1
from = 2026-01-01T00:00:00Z
multiplier = 1.5
"""


def test_a_budget_of_the_price_counts_what_the_customer_pays(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.bill_by(read_contracts(_MARK_UP.encode()))
    cost, price = budget("c"), budget("p", side="price")
    decide(ledger, cost)
    decide(ledger, price)
    call = observe(1, tokens=(1_000_000, 0))
    post(ledger, call)
    from_us, _ = cost.period_at(call.end_us)
    sums = [ledger.budgets.booked(one.series, "organisation", from_us) for one in (cost, price)]
    assert sums == [25 * 10**17, 375 * 10**16]
    ledger.close()
