"""The dashboards: built from code, of Grafana's own types, and every query answered by a real store as `genai-cost
report` answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.sink import feed
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_exporters.postgresql import PostgresqlSink
from tests.cli.command import rows
from tests.exporters.embedded_clickhouse import python_with_clickhouse
from tests.monitoring.asked import FOLDER, Asked, Period, board, queries
from tests.monitoring.filled import HOSTILE, fill
from tests.queues.brokers import Brokers

_LEDGERS: Final = ("ledger-postgresql", "ledger-clickhouse")
_OCTOBER: Final = Period(
    datetime(2026, 10, 1, tzinfo=timezone.utc),
    datetime(2026, 11, 1, tzinfo=timezone.utc) - timedelta(milliseconds=1),
)
_CHOSEN: Final = {"currency": "USD", "stretch": "day", "by": "tenant", "zone": "UTC", "tenant": ""}
_IN_OCTOBER: Final = ("--from", "2026-10-01", "--to", "2026-11-01")

_STRETCHES: Final = (
    *(("hour", "Europe/Berlin"), ("day", "Europe/Berlin"), ("week", "Europe/Berlin")),
    *(("month", "America/New_York"), ("hour", "Asia/Kathmandu"), ("day", "UTC")),
)

Found = list[dict[str, Any]]
Ask = Callable[[str, Mapping[str, str]], Found]
"""What a panel shows, by its title and what differs from the usual choice."""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's library needs Python 3.11")
def test_what_is_kept_is_what_is_built() -> None:
    from tests.monitoring.boards.build import built

    found = built()
    assert len(found) >= 3
    for place, text in found.items():
        assert (FOLDER / place).read_text("utf-8") == text, f"make dashboards ({place})"
    kept = {str(path.relative_to(FOLDER)) for path in (FOLDER / "dashboards").glob("*.json")}
    assert kept <= found.keys()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's library needs Python 3.11")
@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("dashboards/*.json")))
def test_grafanas_types_hold_all_of_it(name: str) -> None:
    """Nothing is lost on the way through the classes that are made of Grafana's schema."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    kept = board(name)
    assert json.loads(json.dumps(Dashboard.from_json(kept), cls=JSONEncoder)) == kept


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("dashboards/*.json")))
def test_panels_stand_beside_each_other(name: str) -> None:
    panels = board(name)["panels"]
    taken: set[tuple[int, int]] = set()
    for place in (one["gridPos"] for one in panels):
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not mine & taken and place["x"] + place["w"] <= 24
        taken |= mine
    assert len({one["id"] for one in panels}) == len(panels)
    assert len({one["title"] for one in panels}) == len(panels)
    assert all(one["description"] for one in panels)


def test_provisioning_names_what_there_is() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning/datasources/genai-cost.yaml").read_text())
    plugins = {one["type"] for one in sources["datasources"]}
    names = [path.stem for path in FOLDER.glob("dashboards/*.json")]
    used = {
        one["query"]
        for name in names
        for one in board(name)["templating"]["list"]
        if one["type"] == "datasource"
    }
    assert used == plugins
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/genai-cost.yaml").read_text())[
        "providers"
    ]
    assert provider["type"] == "file" and provider["options"]["path"].endswith("/dashboards")


# --- every query, asked of the store it is for ---


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("ledger"))


def _asker(name: str, run: Callable[[str], Found]) -> Ask:
    known = {one.title: one for one in queries(name)}

    def ask(title: str, differs: Mapping[str, str]) -> Found:
        return run(known[title].on(_OCTOBER, {**_CHOSEN, **differs}))

    return ask


@pytest.mark.service
def test_postgresql_says_what_the_report_says(home: Path, servers: Brokers, tmp_path: Path) -> None:
    address = servers.address("postgresql", Path("/usr/bin"))
    with (
        closing(PostgresqlSink(tmp_path / "aside", address)) as sink,
        closing(Ledger(home / LEDGER_FILE)) as ledger,
    ):
        assert feed(ledger, sink) == ledger.entries.last_seq()
    with psycopg.connect(address) as connection:

        def run(sql: str) -> Found:
            asked: Any = sql
            found = connection.execute(asked)
            names = [one.name for one in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found]

        _check(
            _asker("ledger-postgresql", run),
            queries("ledger-postgresql"),
            home,
            ["(none)", HOSTILE],
        )


@pytest.mark.environments
def test_clickhouse_says_what_the_report_says(home: Path, tmp_path: Path) -> None:
    program = Path(__file__).with_name("clickhouse_program.py")
    command = [str(python_with_clickhouse()), str(program), str(home), str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as store:
        assert store.stdin and store.stdout
        said, answers = store.stdin, store.stdout

        def run(sql: str) -> Found:
            print(json.dumps(sql), file=said, flush=True)
            found: Found = json.loads(answers.readline(), parse_float=Decimal)
            return found

        _check(
            _asker("ledger-clickhouse", run),
            queries("ledger-clickhouse"),
            home,
            ["(none)", "t-03"],
        )
        said.close()


# --- what they have to say ---


def _check(ask: Ask, asked: Iterable[Asked], home: Path, alone: Sequence[str]) -> None:
    for one in asked:
        assert ask(one.title, {}), one.title
    _check_headlines(ask, home)
    _check_tables(ask, home)
    for stretch, zone in _STRETCHES:
        _check_trend(ask, home, stretch, zone)
    for name in alone:
        (found,) = ask("Tenants", {"tenant": name})
        assert found["Tenant"] == name


@cache
def _rows(home: Path, *arguments: str) -> Found:
    return rows(*arguments, "--json", "--ledger", str(home))


def _report(home: Path, by: str, *more: str, currency: str = "USD") -> Found:
    found = _rows(home, "report", "--by", by, *more)
    return [one for one in found if one["currency"] == currency]


def _money(text: Any) -> Decimal | None:
    return None if text is None else Decimal(str(text))


def _sum(found: Found, key: str) -> Decimal:
    return sum((Decimal(one[key] or 0) for one in found), Decimal(0))


def _check_headlines(ask: Ask, home: Path) -> None:
    every = [
        *_report(home, "tenant", *_IN_OCTOBER),
        *_report(home, "tenant", *_IN_OCTOBER, currency="EUR"),
    ]
    for currency in ("USD", "EUR"):
        spent = _report(home, "tenant", *_IN_OCTOBER, currency=currency)
        (shown,) = ask("Cost", {"currency": currency})
        assert _money(shown["Cost"]) == _sum(spent, "total") > 0
        (shown,) = ask("Price", {"currency": currency})
        paid = _report(home, "tenant", *_IN_OCTOBER, "--side", "price", currency=currency)
        assert _money(shown["Price"]) == _sum(paid, "total")
    (calls,), (without,) = ask("Calls", {}), ask("Without a price", {})
    assert int(calls["Calls"]) == _sum(every, "calls")
    assert int(without["Without a price"]) == _sum(every, "unpriced") > 0
    (share,) = ask("Cost that is somebody's", {})
    spent = _report(home, "tenant", *_IN_OCTOBER)
    somebodys = [one for one in spent if one["tenant"] is not None]
    exact = _sum(somebodys, "total") / _sum(spent, "total")
    assert abs(Decimal(str(share["Share"])) - exact) < Decimal("1e-12")
    assert 0 < exact < 1
    listed = [text for one in ask("the variable currency", {}) for text in one.values()]
    assert listed == ["EUR", "USD"]


def _check_tables(ask: Ask, home: Path) -> None:
    def same(title: str, by: str, keys: Sequence[str]) -> None:
        names = by.split(",")
        wanted = {
            tuple(one[name] for name in names): (
                one["calls"],
                one["unpriced"],
                _money(one["total"]),
            )
            for one in _report(home, by, *_IN_OCTOBER)
        }
        shown = {
            tuple(None if one[key] in ("-", "(none)") else one[key] for key in keys): (
                int(one["Calls"]),
                int(one["Without a price"]),
                _money(one["Cost"]),
            )
            for one in ask(title, {})
        }
        assert shown == wanted and len(shown) > 2, title

    same("Tenants", "tenant", ["Tenant"])
    same("Models", "provider,model", ["Provider", "Model"])
    same("Features", "feature", ["Feature"])
    before = ("--from", "2026-08-31", "--to", "2026-10-01")
    earlier = {
        one["tenant"] or "(none)": _money(one["total"]) for one in _report(home, "tenant", *before)
    }
    for one in ask("Tenants", {}):
        was = earlier.get(one["Tenant"])
        assert _money(one["Before"]) == was
        assert Decimal(one["Change"]) == Decimal(one["Cost"]) - (was or 0)
    _check_reasons(ask, home)


def _check_reasons(ask: Ask, home: Path) -> None:
    every = _rows(home, "report", "--by", "reason,model", *_IN_OCTOBER)
    wanted = {(one["reason"], one["model"]): one["unpriced"] for one in every if one["unpriced"]}
    found = ask("Without a price, and why", {})
    assert {(one["Why"], one["Model"]): int(one["Calls"]) for one in found} == wanted
    nobodys = ("--tenant", "unattributed")
    wanted = {
        (one["service"], one["absent"]): (one["calls"], _money(one["total"]))
        for one in _report(home, "service,absent", *_IN_OCTOBER, *nobodys)
    }
    found = ask("Nobody's, and why", {})
    shown = {
        (one["Service"], one["Why"]): (int(one["Calls"]), _money(one["Cost"])) for one in found
    }
    assert shown == wanted and wanted
    qualities = {
        one["quality"]: _money(one["total"]) for one in _report(home, "quality", *_IN_OCTOBER)
    }
    assert {
        one["Usage"]: _money(one["Cost"]) for one in ask("How well usage is known", {})
    } == qualities
    charges = _rows(home, "charges", *_IN_OCTOBER)
    dearest = sorted(
        (_money(one["amount"]) or Decimal(0) for one in charges if one["currency"] == "USD"),
        reverse=True,
    )
    assert [_money(one["Cost"]) for one in ask("Dearest calls", {})] == dearest[:20]


def _check_trend(ask: Ask, home: Path, stretch: str, zone: str) -> None:
    """By tenant, the ten that cost most; what is together is what all others come to."""
    chosen = {"stretch": stretch, "zone": zone}
    found = ask("Cost over time", chosen)
    wanted: dict[tuple[datetime, str], Decimal] = {}
    spent = sorted(
        _report(home, "tenant", *_IN_OCTOBER),
        key=lambda one: (-Decimal(one["at_least"] or 0), one["tenant"] or "(none)"),
    )
    greatest = {one["tenant"] or "(none)" for one in spent[:10]}
    for one in _report(home, f"{stretch},tenant", *_IN_OCTOBER_UTC, "--tz", zone):
        who = one["tenant"] or "(none)"
        key = (
            datetime.fromisoformat(one[stretch].replace("Z", "+00:00")),
            who if who in greatest else "(others)",
        )
        wanted[key] = wanted.get(key, Decimal(0)) + Decimal(one["at_least"] or 0)
    shown = {(_instant(one["time"]), one["metric"]): Decimal(str(one["value"])) for one in found}
    assert len(shown) == len(found)
    assert shown == wanted, (stretch, zone)


_IN_OCTOBER_UTC: Final = ("--from", "2026-10-01T00:00:00Z", "--to", "2026-11-01T00:00:00Z")


def _instant(value: Any) -> datetime:
    found: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
