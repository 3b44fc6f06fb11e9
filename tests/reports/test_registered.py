"""Reports by what the registry says: the same sum whatever it is joined with, and the row of each call's time."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import Directory, directory_of
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.html import page
from otel_genai_cost.reports.registered import REGISTERED, registered_record
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import extent, report, totals
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import home_of, seconds_of
from tests.ledger.build import observe, tenant

_DAY_US = 86_400_000_000
_FIRST = "2026-11-01T00:00:00Z"
_NASTY = 'O\'Brien "& {sons}" $1; DROP TABLE entries --'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call at noon of each of twelve days of each of four tenants, of a stranger and of nobody."""
    first = seconds_of("2026-11-01T12:00:00Z")
    who = ("a", "b", "c", "d", "stranger", None)
    found = [
        observe(
            n + 1,
            trace=n + 1,
            start_s=first + (n // 6) * 86_400 + n % 6,
            end_s=first + (n // 6) * 86_400 + n % 6 + 1,
            attribution=tenant(who[n % 6], plan="span"),
            response_id=f"r-{n}",
        )
        for n in range(72)
    ]
    return home_of(tmp_path_factory.mktemp("home"), found)


@pytest.fixture
def store(home: Path) -> DuckDBSink:
    return DuckDBSink(home / "charges.duckdb")


def row(tenant_id: str, day: int, **more: object) -> TenantRow:
    words = {key: str(more.pop(key)) for key in ("name", "plan", "owner") if key in more}
    from_us = microseconds(_FIRST) + (day - 1) * _DAY_US
    return TenantRow(tenant_id, from_us, None, words, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def directory() -> Directory:
    return directory_of(
        [
            row("a", 1, name="Old", plan="free", owner="growth"),
            row("a", 5, name=_NASTY, plan="pro", parent="d"),
            row("a", 9, name=_NASTY, plan="pro", aliases=("c",)),
            row("b", 3, name="Bee", owner="growth"),
            row("b", 7, merged_into="a"),
            row("d", 1, name="Dee"),
        ]
    )


def counts(store: DuckDBSink, directory: Directory, name: str, **more: object) -> dict[str, int]:
    selection = Selection(directory=directory, **more)  # type: ignore[arg-type]
    return {str(g.keys[name]): g.calls for g in report(store, [name], selection)}


@pytest.mark.parametrize("name", ["tenant", *REGISTERED])
def test_every_dimension_adds_up_and_is_what_a_look_at_each_call_says(
    home: Path, store: DuckDBSink, directory: Directory, name: str
) -> None:
    expected: Counter[str] = Counter()
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        for charge in charges(ledger):
            for one in charge.positions:
                found = registered_record(directory, one.attribution.tenant, one.occurred_us)
                expected[str(found[name])] += 1
    for seen in (directory, directory.as_of(microseconds(_FIRST))):
        groups = report(store, [name], Selection(directory=seen))
        (whole,) = totals(groups)
        assert (whole.calls, whole.total) == (72, Decimal("0.0035") * 72)
    assert counts(store, directory, name) == expected


def test_a_call_is_under_the_name_of_its_time(store: DuckDBSink, directory: Directory) -> None:
    # Old: 4 days of a; the new name: 8 days of a, 6 of b from its merger, 4 of c from its alias on
    assert counts(store, directory, "name") == {
        "Old": 4,
        _NASTY: 8 + 6 + 4,
        "Bee": 4,
        "Dee": 12,
        "None": 12 + 12 + 2 + 8,
    }
    now = directory.as_of(microseconds("2026-11-30T00:00:00Z"))
    assert counts(store, now, "name") == {_NASTY: 36, "Dee": 12, "None": 24}


def test_ids_are_never_dropped(store: DuckDBSink, directory: Directory) -> None:
    assert counts(store, directory, "tenant") == {
        "a": 12 + 6 + 4,
        "b": 6,
        "c": 8,
        "d": 12,
        "stranger": 12,
        "None": 12,
    }
    assert counts(store, directory, "parent") == {
        "a": 4 + 4 + 4 + 4,
        "d": 12 + 4 + 2,
        "b": 6,
        "c": 8,
        "stranger": 12,
        "None": 12,
    }
    assert counts(store, directory, "registered") == {"yes": 38, "no": 22, "None": 12}
    assert counts(store, directory, "plan") == {"span": 72}


def test_a_filter_means_the_tenant_under_all_of_its_ids(
    store: DuckDBSink, directory: Directory
) -> None:
    only = Selection(tenants=("a", "unattributed"), directory=directory)
    assert {g.keys["booked_tenant"]: g.calls for g in report(store, ["booked_tenant"], only)} == {
        "a": 12,
        "b": 6,
        "c": 4,
        None: 12,
    }
    assert extent(store, only).calls == 34
    late_us = microseconds("2026-11-12T00:00:00Z")
    assert [only.has_call(late_us, name, None, None) for name in ("a", "b", "d", None)] == [
        True,
        True,
        False,
        True,
    ]
    assert not only.has_call(microseconds(_FIRST), "b", None, None)


def test_without_a_registry_nothing_changes(store: DuckDBSink) -> None:
    assert [(g.keys["tenant"], g.calls) for g in report(store, ["tenant"])] == [
        (name, 12) for name in ("a", "b", "c", "d", "stranger", None)
    ]
    assert [g.keys for g in report(store, ["name", "parent"])][:2] == [
        {"name": None, "parent": "a"},
        {"name": None, "parent": "b"},
    ]


def test_the_page_shows_whom_a_merged_tenant_belongs_to(
    home: Path, store: DuckDBSink, directory: Directory
) -> None:
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        text = page(store, ledger, lambda digest: True, Selection(directory=directory))
        alone = page(
            store, ledger, lambda digest: True, Selection(tenants=("a",), directory=directory)
        )
    assert "0.077" in text, "22 calls of a at 0.0035"
    assert "only of tenant a" in alone
    assert format_money(22 * 35 * 10**14) in alone
