"""Stating periods: half-open, each tenant in its zone, once; what is booked later is a difference, and nothing is ever
edited."""

from __future__ import annotations

import random
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.statements.periods import Calendar
from otel_genai_cost.statements.statement import Scope
from tests.statements.ledgers import book, entry, line
from tests.statements.runs import DAY_US, amount, prices, row, run


def test_a_period_is_half_open_by_the_calls_end(tmp_path: Path) -> None:
    edges = ("2026-09-30T23:59:59.999999Z", "2026-10-01T00:00:00Z")
    ends = ("2026-10-31T23:59:59.999999Z", "2026-11-01T00:00:00Z")
    book(tmp_path, [entry(n, "acme", at, str(10**n)) for n, at in enumerate((*edges, *ends))])
    (one,) = run(tmp_path).stated
    assert (one.price, one.calls) == (amount("110"), 2)
    assert (one.seq_from, one.seq_to) == (1, 3)
    assert one.total == sum(each.amount for each in one.lines) == amount("110")


def test_a_rerun_makes_no_revision_and_is_the_same_to_the_byte(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    first = run(tmp_path)
    again = run(tmp_path, now="2027-01-01T00:00:00Z")
    book(tmp_path, [entry(2, "acme", "2026-11-05T00:00:00Z")])
    other_month = run(tmp_path, now="2027-01-01T00:00:00Z")
    assert len(first.fresh) == 1
    assert not again.fresh and not other_month.fresh
    assert first.statements == again.statements == other_month.statements


def test_what_is_booked_later_is_a_revision_with_the_difference(tmp_path: Path) -> None:
    at = "2026-10-05T00:00:00Z"
    book(tmp_path, [entry(1, "acme", at, "1.004"), entry(2, "acme", at, "2", model="other")])
    (first,) = run(tmp_path).stated
    late = entry(3, "acme", "2026-10-31T10:00:00Z", "0.002", model="late")
    back = entry(2, "acme", at, "-2", model="other", revision=1, cause="rerated")
    book(tmp_path, [late, back])
    one, two = run(tmp_path).statements
    assert one == first
    assert (two.revision, two.previous, two.seq_from) == (2, first.digest, first.seq_to + 1)
    assert (two.price, two.total) == (amount("-1.998"), amount("-1.99"))
    assert dict(two.causes) == {"charged": 1, "rerated": 1}
    assert {each.model: each.quantity for each in two.lines} == {"late": 100, "other": -100}
    assert two.to_date == (amount("1.006"), amount("1.006"), amount("1.01"))
    assert sum(each.amount for each in (*one.lines, *two.lines)) == amount("1.01")
    assert not run(tmp_path).fresh


def test_before_the_grace_is_over_it_is_shown_and_not_kept(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    for now in ("2026-10-20T00:00:00Z", "2026-11-03T23:59:59Z"):
        found = run(tmp_path, now=now)
        assert not found.stated
        (one,) = found.pending
        assert (one.state, one.revision, one.price) == ("open", 1, amount("0.0123"))
    (kept,) = run(tmp_path, now="2026-11-04T00:00:00Z").stated
    assert kept.state == "stated"


def test_each_tenant_is_in_its_zone_where_clocks_change(tmp_path: Path) -> None:
    directory = directory_of(
        [
            row("berlin", "2026-01-01T00:00:00Z", "Europe/Berlin"),
            row("auckland", "2026-01-01T00:00:00Z", "Pacific/Auckland"),
        ]
    )
    hours = range(-24, 24 * 32)
    start = microseconds("2026-10-01T00:00:00Z")
    every = [
        entry(1000 * n + hour + 24, who, start + hour * 3_600_000_000, "1")
        for n, who in enumerate(("berlin", "auckland", "nowhere"))
        for hour in hours
    ]
    book(tmp_path, every)
    calls = {one.tenant: one.calls for one in run(tmp_path, directory=directory).stated}
    assert calls == {"berlin": 31 * 24 + 1, "auckland": 31 * 24, "nowhere": 31 * 24}
    daily = run(tmp_path, directory=directory, calendar=Calendar("daily"), day=date(2026, 10, 25))
    assert {one.tenant: one.calls for one in daily.stated} == {
        "berlin": 25,
        "auckland": 24,
        "nowhere": 24,
    }


@pytest.mark.parametrize(
    ("calendar", "days"),
    [
        (Calendar("daily"), [date(2026, 10, n) for n in range(1, 32)]),
        (Calendar("weekly"), [date(2026, 9, 28), *(date(2026, 10, n) for n in (5, 12, 19, 26))]),
        (Calendar("anchored", 31), [date(2026, 9, 30), date(2026, 10, 31)]),
    ],
)
def test_periods_of_any_cadence_tile_where_a_tenants_zone_changes(
    tmp_path: Path, calendar: Calendar, days: list[date]
) -> None:
    directory = directory_of(
        [
            row("acme", "2026-01-01T00:00:00Z", "America/New_York"),
            row("acme", "2026-10-20T13:00:00Z", "Asia/Kolkata"),
        ]
    )
    start = microseconds("2026-10-01T12:00:00Z")
    book(tmp_path, [entry(n, "acme", start + n * 1_800_000_000, "1") for n in range(48 * 29)])
    found = [
        one
        for day in days
        for one in run(tmp_path, directory=directory, calendar=calendar, day=day).stated
    ]
    assert sum(one.calls for one in found) == 48 * 29
    bounds = sorted((one.period_from_us, one.period_to_us) for one in found)
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    assert {one.zone for one in found} == {"America/New_York", "Asia/Kolkata"}


def test_a_zone_that_would_count_calls_twice_is_refused(tmp_path: Path) -> None:
    book(
        tmp_path, [entry(1, "acme", "2026-10-31T23:30:00Z"), entry(2, "b", "2026-10-05T00:00:00Z")]
    )
    run(tmp_path)
    moved = directory_of([row("acme", "2026-01-01T00:00:00Z", "Europe/Berlin")])
    book(tmp_path, [entry(3, "acme", "2026-10-06T00:00:00Z")])
    found = run(tmp_path, directory=moved)
    (one,) = found.pending
    assert (one.state, one.tenant, one.zone) == ("blocked", "acme", "Europe/Berlin")
    assert "2026-11-01T00:00:00Z" in one.notes[0]
    dated = directory_of(
        [row("acme", "2026-01-01T00:00:00Z"), row("acme", "2026-11-01T00:00:00Z", "Europe/Berlin")]
    )
    assert [
        one.revision for one in run(tmp_path, directory=dated).stated if one.tenant == "acme"
    ] == [
        1,
        2,
    ]


def test_merges_and_aliases_count_as_of_the_call(tmp_path: Path) -> None:
    directory = directory_of(
        [
            row("acme", "2026-01-01T00:00:00Z", aliases=("org-7",)),
            row("bolt", "2026-01-01T00:00:00Z"),
            row("bolt", "2026-10-15T00:00:00Z", merged_into="acme"),
        ]
    )
    at = ("2026-10-14T23:59:59Z", "2026-10-15T00:00:00Z")
    book(
        tmp_path,
        [
            entry(1, "org-7", at[0], "1"),
            entry(2, "bolt", at[0], "10"),
            entry(3, "bolt", at[1], "100"),
            entry(4, None, at[1], "1000"),
            entry(5, None, at[1], "10000", absent="system"),
        ],
    )
    assert prices(run(tmp_path, directory=directory)) == {
        ("acme", 1): amount("101"),
        ("bolt", 1): amount("10"),
        ("unattributed", 1): amount("1000"),
        ("system", 1): amount("10000"),
    }
    only = run(tmp_path, directory=directory, tenants=frozenset({"bolt"}))
    assert [one.tenant for one in only.statements] == ["bolt"]


def test_a_merge_that_is_dated_back_moves_what_was_stated(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "bolt", "2026-10-05T00:00:00Z", "5")])
    run(tmp_path)
    merged = directory_of(
        [
            row("acme", "2026-01-01T00:00:00Z"),
            row("bolt", "2026-01-01T00:00:00Z", merged_into="acme"),
        ]
    )
    assert prices(run(tmp_path, directory=merged)) == {
        ("acme", 1): amount("5"),
        ("bolt", 1): amount("5"),
        ("bolt", 2): amount("-5"),
    }


def test_currencies_are_statements_of_their_own(tmp_path: Path) -> None:
    at = "2026-10-05T00:00:00Z"
    converted = (line("input", 100, "1"), line("input", 100, "0.905", "price"))
    yen = (line("input", 100, "150.5"),)
    book(
        tmp_path,
        [
            entry(1, "acme", at, lines=converted, billed_in="EUR"),
            entry(2, "acme", at, "2"),
            entry(3, "acme", at, lines=yen, currency="JPY"),
        ],
    )
    found = {(one.currency, one.cost_currency): one for one in run(tmp_path).stated}
    assert found.keys() == {("EUR", "USD"), ("USD", "USD"), ("JPY", "JPY")}
    euro = found["EUR", "USD"]
    assert (euro.cost, euro.price, euro.total) == (amount("1"), amount("0.905"), amount("0.9"))
    assert [each.quantity for each in euro.lines] == [100]
    assert found["JPY", "JPY"].total == amount("150")


def test_price_and_cost_of_a_line_and_its_quantity_once(tmp_path: Path) -> None:
    parts = (
        line("input", 100, "1"),
        line("input", 100, "-0.2")._replace(kind="discount"),
        line("input", 100, "0.4", "price"),
        line("output", 7, "0.1"),
    )
    usage = {"input": 100, "output": 7, "reasoning": 3}
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z", lines=parts, usage=usage)])
    (one,) = run(tmp_path).stated
    assert (one.cost, one.price) == (amount("0.9"), amount("1.3"))
    assert [(each.leaf, each.quantity, each.amount, each.cost) for each in one.lines] == [
        ("input", 100, amount("1.2"), amount("0.8")),
        ("output", 7, amount("0.1"), amount("0.1")),
    ]


def test_a_period_with_unpriced_calls_is_not_closed_unless_that_is_accepted(tmp_path: Path) -> None:
    at = "2026-10-05T00:00:00Z"
    unknown = entry(2, "acme", at, lines=(), unpriced=1, reason="unknown_model")
    book(tmp_path, [entry(1, "acme", at), unknown])
    (one,) = run(tmp_path).pending
    assert (one.state, one.unpriced) == ("blocked", 1)
    (kept,) = run(tmp_path, accept=frozenset({"unpriced"})).stated
    assert (kept.unpriced, kept.accepted) == (1, ("unpriced",))
    assert not run(tmp_path).pending, "what was accepted stays so"
    known = entry(2, "acme", at, "3", revision=1, calls=0, unpriced=-1, cause="rerated")
    book(tmp_path, [known])
    _, two = run(tmp_path).stated
    assert (two.unpriced, two.accepted, two.price) == (0, (), amount("3"))
    book(tmp_path, [unknown._replace(charge_id="9" * 32, id="9" * 32)])
    (third,) = run(tmp_path).pending
    assert third.state == "blocked", "one more has no price"


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("feature", {"chat": "1", None: "10"}),
        ("plan", {"free": "11"}),
        ("team", {"growth": "11"}),
    ],
)
def test_a_tenants_calls_are_split_by_a_scope(
    tmp_path: Path, scope: Scope, expected: dict[str | None, str]
) -> None:
    directory = directory_of(
        [row("acme", "2026-01-01T00:00:00Z", words={"owner": "growth", "plan": "free"})]
    )
    at = "2026-10-05T00:00:00Z"
    labels = {"feature": "chat", "plan": "pro"}
    book(tmp_path, [entry(1, "acme", at, "1", labels=labels), entry(2, "acme", at, "10")])
    found = run(tmp_path, directory=directory, scope=scope).stated
    assert {one.scope_value: one.price for one in found} == {
        value: amount(text) for value, text in expected.items()
    }
    assert {one.scope for one in found} == {scope}
    assert [one.revision for one in run(tmp_path, directory=directory).stated] == [1]


def test_a_plan_is_the_registrys_of_the_calls_time_else_the_calls_own_and_sql_says_the_same(
    tmp_path: Path,
) -> None:
    changes = [("2026-01-01", "free"), ("2026-10-12", "pro"), ("2026-10-28", None)]
    rows = [
        row("acme", f"{day}T00:00:00Z", words={} if plan is None else {"plan": plan})
        for day, plan in changes
    ]
    draw = random.Random(17)
    labels: tuple[dict[str, str], ...] = ({}, {"plan": "own"}, {"plan": "free"})
    start = microseconds("2026-10-01T00:00:00Z")
    entries = [
        entry(
            n,
            draw.choice(("acme", "bolt", None)),
            start + draw.randrange(31 * DAY_US),
            format_money(draw.randrange(10**18)),
            labels=draw.choice(labels),
        )
        for n in range(300)
    ]
    book(tmp_path, entries)
    found = run(tmp_path, directory=directory_of(rows), scope="plan").stated
    with duckdb.connect() as db:
        db.execute(
            "CREATE TABLE entries (tenant VARCHAR, day VARCHAR, label VARCHAR, amount DECIMAL(38,18))"
        )
        values = [
            [
                one.attribution.tenant,
                rfc3339(one.occurred_us),
                one.attribution.labels.get("plan"),
                format_money(one.amount),
            ]
            for one in entries
        ]
        db.executemany("INSERT INTO entries VALUES (?,?,?,?)", values)
        wanted = db.execute(
            "SELECT tenant, CASE WHEN tenant = 'acme' AND day < '2026-10-12' THEN 'free'"
            " WHEN tenant = 'acme' AND day < '2026-10-28' THEN 'pro' ELSE label END AS plan, sum(amount)"
            " FROM entries GROUP BY ALL"
        ).fetchall()
    assert {(one.tenant, one.scope_value): one.cost for one in found} == {
        (tenant, plan): amount(str(cost)) for tenant, plan, cost in wanted
    }
    assert len({plan for tenant, plan, _ in wanted if tenant == "acme"}) == 4
