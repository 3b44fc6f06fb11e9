"""Who sees what: the same calls in SQL and in Python, none of anybody else's, whatever is asked for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import NOT_REGISTERED, Directory, directory_of
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.limits.alert import Alert
from otel_genai_cost.pages.viewer import ROLES, Role, Viewer, narrowed
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reports import anomalies as anomalies_of
from otel_genai_cost.reports.anomalies import anomalies
from otel_genai_cost.reports.hours import hourly
from otel_genai_cost.reports.margin.assembly import books_of, grouped
from otel_genai_cost.reports.margin.cell import Cell, CellKey
from otel_genai_cost.reports.margin.income import Income, Window
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.tables import extent, report
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import home_of, seconds_of
from tests.ledger.build import observe, tenant

_DAYS = 12
_WHO = ("acme", "acme-old", "globex", "shared-id", "unattributed", None)
_FIRST_US = microseconds("2026-11-01T00:00:00Z")
_DAY_US = 86_400_000_000
_BOUGHT_US, _SOLD_US = _FIRST_US + 4 * _DAY_US, _FIRST_US + 6 * _DAY_US


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call a day of each; `unattributed` is the id of a tenant, too."""
    first = seconds_of("2026-11-01T12:00:00Z")
    found = [
        observe(
            n + 1,
            trace=n + 1,
            start_s=first + (n // len(_WHO)) * 86_400 + n % len(_WHO),
            end_s=first + (n // len(_WHO)) * 86_400 + n % len(_WHO) + 1,
            attribution=tenant(_WHO[n % len(_WHO)], feature="search"),
            response_id=f"r-{n}",
        )
        for n in range(_DAYS * len(_WHO))
    ]
    return home_of(tmp_path_factory.mktemp("home"), found)


@pytest.fixture(scope="module")
def store(home: Path) -> DuckDBSink:
    return DuckDBSink(home / "charges.duckdb")


@pytest.fixture(scope="module")
def positions(home: Path) -> list[Position]:
    """Of every call."""
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as opened:
        return [position for one in charges(opened) for position in one.positions]


def directory() -> Directory:
    """acme-old became acme; shared-id was acme's for six days and is globex's since."""
    return directory_of(
        [
            TenantRow("acme", _FIRST_US, _SOLD_US, {}, aliases=("shared-id",)),
            TenantRow("acme", _SOLD_US, None, {}),
            TenantRow("acme-old", _FIRST_US, _BOUGHT_US, {}),
            TenantRow("acme-old", _BOUGHT_US, None, {}, merged_into="acme"),
            TenantRow("globex", _FIRST_US, _SOLD_US, {}),
            TenantRow("globex", _SOLD_US, None, {}, aliases=("shared-id",)),
        ]
    )


def _by_tenant(store: DuckDBSink, selection: Selection) -> dict[str | None, int]:
    return {one.keys["tenant"]: one.calls for one in report(store, ["tenant"], selection)}


@pytest.mark.parametrize("role", ROLES)
def test_some_tenants_are_all_that_is_seen(store: DuckDBSink, role: Role) -> None:
    """Merged ids and aliases count at their time, as they do in reports."""
    asked = narrowed(EVERYTHING, Viewer(role, ("acme",)), directory())
    assert _by_tenant(store, asked) == {"acme": 12 + 8 + 6}
    assert extent(store, asked).calls == 26
    assert {one.tenant for one in hourly(store, asked)} == {"acme"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("tenants", [(), ("nobody-known",), ("unattributed",)])
def test_who_may_see_nothing_sees_nothing(
    store: DuckDBSink, role: Role, tenants: tuple[str, ...]
) -> None:
    asked = narrowed(EVERYTHING, Viewer(role, tenants), directory())
    assert (_by_tenant(store, asked), extent(store, asked).calls) == ({}, 0)


def test_a_tenant_of_no_name_sees_nothing(store: DuckDBSink) -> None:
    assert Viewer("tenant").visible == ()
    assert _by_tenant(store, narrowed(EVERYTHING, Viewer("tenant"), NOT_REGISTERED)) == {}


def test_the_team_sees_everything(store: DuckDBSink) -> None:
    found = _by_tenant(store, narrowed(EVERYTHING, Viewer("finance"), NOT_REGISTERED))
    assert found == dict.fromkeys(_WHO, _DAYS)


def test_what_was_asked_for_never_widens(store: DuckDBSink) -> None:
    """Neither a claim of visibility, nor another tenant's id, nor the registry of another time."""
    viewer = Viewer("tenant", ("acme",))
    others = Selection(tenants=("globex", "unattributed"), visible=("globex",), side="cost")
    asked = narrowed(others, viewer, directory())
    assert (_by_tenant(store, asked), asked.side) == ({}, "price")
    then = Selection(as_of_us=_FIRST_US, directory=directory().as_of(_FIRST_US))
    assert _by_tenant(store, narrowed(then, viewer, directory())) == {"acme": 26}
    everybody = narrowed(then, Viewer("finance"), directory())
    assert _by_tenant(store, everybody)["acme"] == 24  # those of shared-id at all times


@pytest.mark.parametrize(
    ("role", "side", "seen"),
    [
        ("finance", "cost", "cost"),
        ("finance", "price", "price"),
        ("engineer", "price", "cost"),
        ("success", "cost", "price"),
        ("tenant", "cost", "price"),
    ],
)
def test_sides(role: Role, side: str, seen: str) -> None:
    asked = EVERYTHING._replace(side=side)  # type: ignore[arg-type]
    assert narrowed(asked, Viewer(role), NOT_REGISTERED).side == seen


def test_margins_are_finances() -> None:
    assert [role for role in ROLES if Viewer(role).sees_margin] == ["finance"]
    assert not Viewer("finance", ("acme",)).sees_all


_TENANTS = st.sampled_from([*_WHO[:-1], "nobody-known", "' OR TRUE --"])


@given(
    visible=st.none() | st.lists(_TENANTS, max_size=3).map(tuple),
    tenants=st.lists(_TENANTS, max_size=2).map(tuple),
    days=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    registered=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_sql_and_python_agree(
    store: DuckDBSink,
    positions: list[Position],
    visible: tuple[str, ...] | None,
    tenants: tuple[str, ...],
    days: tuple[int, int],
    registered: bool,
) -> None:
    asked = Selection(
        from_us=_FIRST_US + days[0] * _DAY_US,
        to_us=_FIRST_US + days[1] * _DAY_US,
        tenants=tenants,
        directory=directory() if registered else NOT_REGISTERED,
        visible=visible,
    )
    found = [
        asked.tenant_of(position.attribution.tenant, position.occurred_us)
        for position in positions
        if asked.has(position)
    ]
    assert _by_tenant(store, asked) == {name: found.count(name) for name in found}
    assert visible is None or set(found) <= {*visible}


def test_alerts_are_of_who_may_see_them(store: DuckDBSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that reads like another tenant's is none: scopes are taken apart as budgets put them together."""
    scopes = (
        "organisation",
        "tenant=acme",
        "feature=search,tenant=acme",
        "tenant=globex",
        "feature=x%2Ctenant%3Dacme,tenant=globex",
        "tenant=unattributed",
    )
    found = [Alert(_FIRST_US, "record", scope, 1, 1, 1, "USD") for scope in scopes]
    monkeypatch.setattr(anomalies_of, "alerts_of", lambda *_: found)
    monkeypatch.setattr(anomalies_of, "Unusual", lambda *_: SimpleNamespace(of=lambda *_: found))
    seen = anomalies(store, narrowed(EVERYTHING, Viewer("success", ("acme",)), NOT_REGISTERED))
    assert {one.scope for one in seen} == {"tenant=acme", "feature=search,tenant=acme"}
    assert {one.scope for one in anomalies(store)} == {*scopes}


def test_margins_of_some_are_their_rows_only() -> None:
    books = books_of(
        {
            CellKey(name, None, None): Cell(calls=1, cost=10**36)
            for name in ("acme", "globex", None)
        },
        Income({}, {}, {}),
        Window(0, 1),
        None,
    )
    seen = EVERYTHING._replace(visible=("globex",))
    assert [one.name for one in grouped(books, "tenant", seen)] == ["globex"]
    assert len(grouped(books, "tenant")) == 3
