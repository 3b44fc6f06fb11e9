"""A schedule: what became due while nothing ran is stated once, what is held back is looked at again, and only what can
differ is worked out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import Directory, directory_of
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.statements.follow import Schedule, next_round
from otel_genai_cost.statements.periods import Calendar
from otel_genai_cost.statements.plans import Plan
from otel_genai_cost.statements.run import Outcome
from otel_genai_cost.statements.store import Statements, statements_lock
from tests.ledger.projections.credit_entries import event
from tests.statements.ledgers import book, entry
from tests.statements.runs import DAY_US, amount, row

_MONTHLY = Schedule(Calendar("monthly"), grace_us=3 * DAY_US)


def round_at(
    home: Path, now: str, schedule: Schedule = _MONTHLY, directory: Directory | None = None
) -> Outcome:
    """One round at a time."""
    with (
        statements_lock(home),
        closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger,
        closing(Statements(home)) as file,
    ):
        known = directory or directory_of([])
        return next_round(ledger, file, schedule, known, microseconds(now))


def labels(found: Outcome) -> list[tuple[str, int]]:
    return [(one.label, one.revision) for one in found.fresh]


@pytest.mark.parametrize(
    ("calendar", "expected"),
    [
        (Calendar("daily"), ["2026-03-31", "2026-04-01", "2026-07-15"]),
        (Calendar("weekly"), ["2026-W14", "2026-W29"]),
        (Calendar("monthly"), ["2026-03", "2026-04", "2026-07"]),
        (Calendar("anchored", 31), ["2026-03-31", "2026-06-30"]),
    ],
)
def test_everything_missed_is_stated_once(
    tmp_path: Path, calendar: Calendar, expected: list[str]
) -> None:
    at = ("2026-03-31T12:00:00Z", "2026-04-01T12:00:00Z", "2026-07-15T12:00:00Z")
    book(tmp_path, [entry(n, "acme", instant) for n, instant in enumerate(at)])
    schedule = Schedule(calendar, grace_us=3 * DAY_US)
    first = round_at(tmp_path, "2026-10-01T00:00:00Z", schedule)
    assert [label for label, _ in labels(first)] == expected
    assert not round_at(tmp_path, "2026-10-01T01:00:00Z", schedule).fresh
    assert not round_at(tmp_path, "2027-10-01T01:00:00Z", schedule).fresh


def test_a_period_is_stated_in_the_first_round_after_its_grace(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-08-05T00:00:00Z")])
    for now in ("2026-08-20T00:00:00Z", "2026-09-01T00:00:00Z", "2026-09-03T23:59:59Z"):
        assert not round_at(tmp_path, now).fresh
    assert labels(round_at(tmp_path, "2026-09-04T00:00:00Z")) == [("2026-08", 1)]


def test_late_entries_are_revisions_of_the_periods_that_they_are_of(tmp_path: Path) -> None:
    at = ("2026-03-05T00:00:00Z", "2026-04-05T00:00:00Z", "2026-05-05T00:00:00Z")
    book(tmp_path, [entry(n, "acme", instant) for n, instant in enumerate(at)])
    round_at(tmp_path, "2026-10-01T00:00:00Z")
    book(tmp_path, [entry(9, "acme", "2026-04-30T23:59:59Z", "2")])
    (late,) = round_at(tmp_path, "2026-10-01T00:00:01Z").fresh
    assert (late.label, late.revision, late.price) == ("2026-04", 2, amount("2"))


def test_what_is_held_back_is_looked_at_in_each_round(tmp_path: Path) -> None:
    unknown = entry(1, "acme", "2026-03-05T00:00:00Z", lines=(), unpriced=1)
    book(tmp_path, [unknown, entry(2, "bolt", "2026-03-05T00:00:00Z")])
    first = round_at(tmp_path, "2026-10-01T00:00:00Z")
    assert labels(first) == [("2026-03", 1)]
    assert [one.state for one in first.pending] == ["blocked"]
    again = round_at(tmp_path, "2026-10-01T01:00:00Z")
    assert (again.fresh, [one.tenant for one in again.pending]) == ((), ["acme"])
    accepting = _MONTHLY._replace(accept=frozenset({"unpriced"}))
    assert labels(round_at(tmp_path, "2026-10-01T02:00:00Z", accepting)) == [("2026-03", 1)]
    assert not round_at(tmp_path, "2026-10-01T03:00:00Z").pending


def test_a_registry_that_changed_is_followed_back(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "bolt", "2026-03-05T00:00:00Z", "5")])
    round_at(tmp_path, "2026-10-01T00:00:00Z")
    merged = directory_of(
        [
            row("acme", "2026-01-01T00:00:00Z"),
            row("bolt", "2026-01-01T00:00:00Z", merged_into="acme"),
        ]
    )
    found = round_at(tmp_path, "2026-10-02T00:00:00Z", directory=merged).fresh
    assert [(one.tenant, one.revision, one.price) for one in found] == [
        ("acme", 1, amount("5")),
        ("bolt", 2, amount("-5")),
    ]


def test_a_fee_is_stated_every_month_without_a_call(tmp_path: Path) -> None:
    flat = Plan(
        "pro",
        "flat",
        "USD",
        microseconds("2026-06-01T00:00:00Z"),
        tenants=frozenset({"acme"}),
        fee=amount("9"),
    )
    schedule = _MONTHLY._replace(plans=(flat,))
    book(tmp_path, [entry(1, "bolt", "2026-06-05T00:00:00Z")])
    directory = directory_of([row("acme", "2026-01-01T00:00:00Z")])
    rounds: list[Any] = []
    for now in ("2026-08-10T00:00:00Z", "2026-09-10T00:00:00Z"):
        found = round_at(tmp_path, now, schedule, directory).fresh
        rounds.append([(one.label, one.total) for one in found if one.tenant == "acme"])
    nine = amount("9")
    assert rounds == [[("2026-06", nine), ("2026-07", nine)], [("2026-08", nine)]]


def test_times_that_no_clock_shows_do_not_stop_it(tmp_path: Path) -> None:
    far = [-(1 << 60), -1, 0, 1 << 60]
    book(tmp_path, [entry(n, "acme", at_us) for n, at_us in enumerate(far)])
    book(tmp_path, [entry(9, "acme", "2026-03-05T00:00:00Z")])
    daily = Schedule(Calendar("daily"), grace_us=3 * DAY_US)
    assert labels(round_at(tmp_path, "2026-10-01T00:00:00Z", daily)) == [("2026-03-05", 1)]
    book(tmp_path, [entry(10, "acme", 0), entry(11, "acme", 1 << 60)])
    round_at(tmp_path, "2026-10-02T00:00:00Z", daily)


def test_a_clock_that_was_put_back_states_nothing(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-08-05T00:00:00Z")])
    assert labels(round_at(tmp_path, "2026-10-01T00:00:00Z")) == [("2026-08", 1)]
    assert round_at(tmp_path, "2026-01-01T00:00:00Z").statements == []
    book(tmp_path, [entry(2, "acme", "2026-09-05T00:00:00Z")])
    assert labels(round_at(tmp_path, "2026-10-05T00:00:00Z")) == [("2026-09", 1)]


def test_credit_that_is_given_later_is_followed_back(tmp_path: Path) -> None:
    prepaid = Plan(
        "prepaid",
        "credit",
        "USD",
        microseconds("2026-01-01T00:00:00Z"),
        tenants=frozenset({"acme"}),
    )
    schedule = _MONTHLY._replace(plans=(prepaid,))
    book(tmp_path, [entry(1, "acme", "2026-08-05T00:00:00Z", "5")])
    (first,) = round_at(tmp_path, "2026-10-01T00:00:00Z", schedule).fresh
    assert first.price == amount("5")
    begins = "2026-08-01T00:00:00Z"
    grant = {"ref": "late", "tenant": "acme", "currency": "USD", "amount": 3, "from": begins}
    with closing(Ledger(tmp_path / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.credits.decide(event(grant), microseconds("2026-10-02T00:00:00Z"))
    (late,) = round_at(tmp_path, "2026-10-03T00:00:00Z", schedule).fresh
    assert (late.label, late.revision, late.price) == ("2026-08", 2, amount("-3"))
    assert not round_at(tmp_path, "2026-10-03T01:00:00Z", schedule).fresh


@pytest.mark.parametrize("is_put_back", [True, False])
def test_a_ledger_that_was_put_back_or_rebuilt_is_looked_at_from_its_first_entry_on(
    tmp_path: Path, is_put_back: bool
) -> None:
    path, march = tmp_path / LEDGER_FILE, entry(1, "acme", "2026-03-05T00:00:00Z", "5")
    book(tmp_path, [march])
    before = path.read_bytes()
    book(tmp_path, [entry(2, "acme", "2026-03-05T00:00:00Z", "5")])
    round_at(tmp_path, "2026-10-01T00:00:00Z")
    path.unlink()
    if is_put_back:
        path.write_bytes(before)
    else:
        book(tmp_path, [march])
    with pytest.raises(LedgerError, match="has 1 entries, and 2 were stated"):
        round_at(tmp_path, "2026-10-02T00:00:00Z")
    book(tmp_path, [entry(3, "acme", "2026-04-05T00:00:00Z", "2")])
    found = round_at(tmp_path, "2026-10-03T00:00:00Z").fresh
    assert [(one.label, one.revision, one.price) for one in found] == [
        ("2026-03", 2, amount("-5")),
        ("2026-04", 1, amount("2")),
    ]
    assert not round_at(tmp_path, "2026-10-03T01:00:00Z").fresh
