"""What is nobody's is borne by tenants, by a rule that each statement names: to the digit, revised like all else, and
without a statement's sum that is not the entries'."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import ATTO, format_money
from otel_genai_cost.reports.margin.spreading import SpreadRule
from otel_genai_cost.statements.follow import Schedule, next_round
from otel_genai_cost.statements.periods import Calendar
from otel_genai_cost.statements.plans import Plan
from otel_genai_cost.statements.run import Outcome, Spreading
from otel_genai_cost.statements.statement import (
    Statement,
    is_spread,
    statement_of,
    statement_record,
)
from otel_genai_cost.statements.store import Statements, statements_lock
from tests.statements.ledgers import book, entry, line
from tests.statements.runs import DAY_US, amount, row, run

_AT: Final = "2026-10-05T00:00:00Z"
_COST: Final = Spreading("cost", overrules=True)


def _three(home: Path) -> None:
    """Two tenants, one with three times the cost and a third of the calls of the other, and what is nobody's."""
    book(
        home,
        [
            entry(1, "acme", _AT, "3"),
            *(entry(n, "bolt", _AT, "0.25") for n in (2, 3, 4, 5)),
            entry(6, None, _AT, "0.4"),
            entry(7, None, _AT, "0.8", absent="system"),
        ],
    )


def _to_date(found: Outcome) -> dict[str, tuple[int, int]]:
    """Price and cost by whose, of all revisions."""
    sums: dict[str, tuple[int, int]] = {}
    for one in found.statements:
        price, cost = sums.get(one.tenant or one.whose, (0, 0))
        sums[one.tenant or one.whose] = price + one.price, cost + one.cost
    return sums


def _borne(one: Statement) -> list[tuple[str, str]]:
    return [(each.product, format_money(each.exact)) for each in one.lines if is_spread(each)]


@pytest.mark.parametrize(
    ("rule", "acme", "bolt"),
    [
        ("cost", "3.9", "1.3"),
        ("calls", "3.24", "1.96"),
        ("revenue", "3.9", "1.3"),
        ("evenly", "3.6", "1.6"),
    ],
)
def test_each_bears_its_part_by_the_rule(
    tmp_path: Path, rule: SpreadRule, acme: str, bolt: str
) -> None:
    _three(tmp_path)
    found = _to_date(run(tmp_path, spreading=Spreading(rule, overrules=True)))
    assert found == {
        "acme": (amount(acme), amount(acme)),
        "bolt": (amount(bolt), amount(bolt)),
        "unattributed": (0, 0),
        "system": (0, 0),
    }


def test_a_statement_says_what_was_spread_by_which_rule_and_how_much_of_it_it_bears(
    tmp_path: Path,
) -> None:
    _three(tmp_path)
    acme, bolt, unattributed, system = run(tmp_path, spreading=_COST).stated
    assert _borne(acme) == [
        ("Shared use of the platform, spread by cost", "0.6"),
        ("Unattributed use, spread by cost", "0.3"),
    ]
    assert _borne(unattributed) == [("Spread over tenants by cost", "-0.4")]
    assert _borne(system) == [("Spread over tenants by cost", "-0.8")]
    assert statement_record(acme)["spread"] == {
        "rule": "cost",
        "weight": "3",
        "of": "4",
        "share": "0.75",
    }
    assert sum(one.spread.share for one in (acme, bolt) if one.spread) == ATTO
    assert (acme.calls, acme.metered) == (1, amount("3"))
    assert is_spread(acme.lines[-1]), "what a tenant used itself comes first"
    for one in (acme, bolt, unattributed, system):
        assert sum(each.amount for each in one.lines) == one.total
        assert statement_of(statement_record(one)) == one


def test_without_a_rule_nothing_of_it_is_said(tmp_path: Path) -> None:
    _three(tmp_path)
    assert not any("spread" in statement_record(one) for one in run(tmp_path).stated)


def test_late_entries_change_the_parts_by_a_revision_and_a_rerun_nothing(tmp_path: Path) -> None:
    _three(tmp_path)
    first = run(tmp_path, spreading=_COST)
    assert run(tmp_path, spreading=_COST).statements == first.statements
    book(tmp_path, [entry(8, None, _AT, "4"), entry(9, "bolt", _AT, "1")])
    second = run(tmp_path)  # the rule is that of what was stated
    assert first.stated == tuple(one for one in second.statements if one.revision == 1)
    acme, bolt, unattributed = second.fresh
    assert _borne(acme) == [
        ("Shared use of the platform, spread by cost", "-0.12"),
        ("Unattributed use, spread by cost", "2.34"),
    ]
    assert (acme.calls, acme.seq_from > acme.seq_to, acme.total) == (0, True, amount("2.22"))
    assert (bolt.price, unattributed.price) == (amount("2.78"), 0)
    assert _to_date(second)["bolt"] == (amount("4.08"), amount("4.08"))
    assert not run(tmp_path).fresh
    assert not run(tmp_path, now="2027-06-01T00:00:00Z").fresh


def test_what_a_final_bill_differs_by_is_borne_too(tmp_path: Path) -> None:
    _three(tmp_path)
    run(tmp_path, spreading=_COST)
    true_up = entry(
        *(8, None, _AT, "-0.2"),
        cause="reconciled",
        calls=0,
        usage={},
        lines=(line("reconciled", 1, "-0.2"),),
    )
    book(tmp_path, [true_up])
    found = run(tmp_path)
    assert _to_date(found) == {
        "acme": (amount("3.75"), amount("3.75")),
        "bolt": (amount("1.25"), amount("1.25")),
        "unattributed": (0, 0),
        "system": (0, 0),
    }
    assert [one.calls for one in found.fresh] == [0, 0, 0]


def test_another_rule_and_none_are_revisions_too(tmp_path: Path) -> None:
    _three(tmp_path)
    without = _to_date(run(tmp_path))
    run(tmp_path, spreading=_COST)
    evenly = run(tmp_path, spreading=Spreading("evenly", overrules=True))
    assert _to_date(evenly)["acme"] == (amount("3.6"), amount("3.6"))
    taken_back = run(tmp_path, spreading=Spreading(None, overrules=True))
    assert _to_date(taken_back) == without
    assert {one.spread for one in taken_back.fresh} == {None}
    assert not run(tmp_path).fresh, "what was taken back stays so"


def test_statements_of_one_tenant_keep_to_the_rule_and_to_what_others_have(tmp_path: Path) -> None:
    _three(tmp_path)
    run(tmp_path, spreading=_COST)
    book(tmp_path, [entry(8, "bolt", _AT, "4")])
    (one,) = run(tmp_path, tenants=frozenset({"acme"})).fresh
    assert (one.tenant, one.price) == ("acme", amount("-0.45"))
    rest = run(tmp_path)
    assert {one.tenant for one in rest.fresh} == {"bolt"}
    assert _to_date(rest)["bolt"] == (amount("5.75"), amount("5.75"))


def test_nothing_is_stated_before_the_last_who_bears_it_has_closed_the_period(
    tmp_path: Path,
) -> None:
    zones = {"east": "Pacific/Auckland", "west": "America/Los_Angeles"}
    directory = directory_of(
        [row(name, "2026-01-01T00:00:00Z", zone) for name, zone in zones.items()]
    )
    book(tmp_path, [entry(1, "east", _AT), entry(2, "west", _AT), entry(3, None, _AT)])
    at = {"directory": directory, "spreading": _COST}
    early = run(tmp_path, now="2026-11-04T06:59:59Z", **at)  # type: ignore[arg-type]
    assert {one.state for one in early.pending} == {"open"}
    assert not early.stated
    assert len(run(tmp_path, now="2026-11-04T07:00:00Z", **at).stated) == 3  # type: ignore[arg-type]


def test_what_is_spread_is_closed_before_anybody_bears_it(tmp_path: Path) -> None:
    _three(tmp_path)
    book(tmp_path, [entry(8, None, _AT, "0", lines=(), usage={}, unpriced=1, reason="no_price")])
    held = run(tmp_path, spreading=_COST)
    assert {one.tenant or one.whose: one.state for one in held.pending} == {
        "acme": "blocked",
        "bolt": "blocked",
        "unattributed": "blocked",
    }
    assert held.pending[0].notes == ("what is unattributed is spread over it, and is not closed",)
    closed = run(tmp_path, spreading=_COST, accept=frozenset({"unpriced"}))
    assert not closed.pending
    assert _to_date(closed)["acme"] == (amount("3.9"), amount("3.9"))


def test_that_shares_rest_on_calls_without_a_price_is_said(tmp_path: Path) -> None:
    _three(tmp_path)
    unknown = entry(8, "bolt", _AT, "0", lines=(), usage={}, unpriced=1, reason="no_price")
    book(tmp_path, [unknown])
    found = run(tmp_path, spreading=_COST)
    assert {one.tenant for one in found.pending} == {"bolt"}, (
        "others are closed, and may be revised"
    )
    said = "what each bears changes once 1 call of a tenant has a price"
    assert all(said in one.notes for one in found.statements)
    by_calls = run(tmp_path, spreading=Spreading("calls", overrules=True))
    assert not any(said in one.notes for one in by_calls.fresh)


def test_what_nobody_can_bear_stays_and_that_is_said(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, None, _AT, "1"), entry(2, "acme", _AT, "0", lines=(), usage={})])
    found = {one.tenant or one.whose: one for one in run(tmp_path, spreading=_COST).stated}
    assert found["unattributed"].price == amount("1")
    assert "no tenant has anything to bear it by cost" in found["unattributed"].notes[0]


def test_currencies_are_not_added_up_for_it(tmp_path: Path) -> None:
    euro = (line("input", 100, "1"), line("input", 100, "2", "price"))
    book(
        tmp_path,
        [
            entry(1, "acme", _AT, "1"),
            entry(2, "bolt", _AT, "1", lines=euro, billed_in="EUR"),
            entry(3, None, _AT, "5"),
        ],
    )
    found = run(tmp_path, spreading=_COST)
    assert _to_date(found) == {
        "acme": (amount("6"), amount("6")),
        "bolt": (amount("2"), amount("1")),
        "unattributed": (0, 0),
    }
    assert found.stated[-1].notes == ("tenants that pay in EUR bear none of it",)


def test_a_plan_is_charged_beside_the_part(tmp_path: Path) -> None:
    _three(tmp_path)
    flat = Plan("flat", "flat", "USD", 0, fee=amount("10"), tenants=frozenset({"acme"}))
    found = run(tmp_path, plans=(flat,), spreading=Spreading("revenue", overrules=True))
    acme = found.stated[0]
    assert acme.plan == "flat"
    assert acme.metered == amount("3")
    assert acme.price == amount("11.090909090909090909")  # ten elevenths, and bolt one


def test_a_tenants_part_is_divided_where_its_statement_is(tmp_path: Path) -> None:
    _three(tmp_path)
    labels = [{"plan": "pro"}, {"plan": "free"}, {}]
    book(
        tmp_path,
        [entry(10 + n, "acme", _AT, "1", labels=each) for n, each in enumerate(labels)],
    )
    whole = _to_date(run(tmp_path, spreading=_COST))
    by_plan = run(tmp_path, scope="plan", spreading=_COST)
    assert _to_date(by_plan) == whole
    parts = {one.scope_value: one.price for one in by_plan.stated if one.tenant == "acme"}
    assert set(parts) == {"pro", "free", None}
    assert parts["pro"] > amount("1")


def test_a_schedule_spreads_what_was_not_stated_and_leaves_what_was(tmp_path: Path) -> None:
    september = "2026-09-05T00:00:00Z"
    book(tmp_path, [entry(21, "acme", september, "1"), entry(22, None, september, "1")])
    run(tmp_path, day=date(2026, 9, 1), now="2026-10-10T00:00:00Z")
    _three(tmp_path)
    schedule = Schedule(Calendar("monthly"), grace_us=3 * DAY_US, spreading=Spreading("cost"))
    with (
        statements_lock(tmp_path),
        closing(Ledger(tmp_path / LEDGER_FILE, readonly=True)) as ledger,
        closing(Statements(tmp_path)) as file,
    ):
        now_us = microseconds("2026-11-10T00:00:00Z")
        done = next_round(ledger, file, schedule, directory_of([]), now_us)
        assert {(one.label, one.spread is None) for one in done.fresh} == {("2026-10", False)}
        assert not next_round(ledger, file, schedule, directory_of([]), now_us).fresh
        assert schedule.name != Schedule(Calendar("monthly"), grace_us=3 * DAY_US).name
