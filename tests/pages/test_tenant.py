"""A tenant's page: each part is what its command gives, to the digit, and no part is whoever's who may not see it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.view import MissingPageError, View
from otel_genai_cost.pages.viewer import Role, Viewer
from otel_genai_cost.pages.views import tenant as page
from otel_genai_cost.reports.hours import hourly
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from tests.cli.command import run
from tests.cli.homes import week
from tests.cli.program import rows_of
from tests.pages.views import ask, client_of, records, source_of

Capture = pytest.CaptureFixture[str]

_TIME: Final = "from=2026-11-20&to=2026-11-21"
_OPTIONS: Final = ("--from", "2026-11-20", "--to", "2026-11-21")
_BUDGETS: Final = """
schema = "otel-genai-cost-budgets/1"

[[budget]]
id = "each"
scope = { tenant = "*" }
period = "total"
currency = "USD"
hard = 0.02
side = "cost"

[[budget]]
id = "paid"
scope = { tenant = "*" }
period = "total"
currency = "USD"
hard = 0.01
side = "price"
"""
_REVENUE: Final = """tenant,from,to,amount,currency,kind,ref,feature,seats
t3,2026-11-20T00:00:00Z,2026-11-21T00:00:00Z,0.05,USD,flat,a,,
"""


def _did(home: Path, *arguments: str) -> None:
    done = run(*arguments, "--ledger", str(home))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = week(tmp_path_factory.mktemp("week"))
    (folder / "budgets.toml").write_text(_BUDGETS, encoding="utf-8")
    (folder / "revenue.csv").write_text(_REVENUE, encoding="utf-8")
    _did(folder, "budgets", "set", "--file", str(folder / "budgets.toml"))
    _did(folder, "revenue", "import", str(folder / "revenue.csv"))
    since = ("--from", "2026-11-01T00:00:00Z")
    for name in ("t3", "t4"):
        _did(folder, "credits", "grant", "--tenant", name, "--amount", "1", "--ref", name, *since)
    return folder


@pytest.fixture(scope="module")
def source(home: Path) -> Iterator[Source]:
    with source_of(home) as opened:
        yield opened


def _part(source: Source, part: str, viewer: Viewer | None = None) -> list[dict[str, Any]]:
    address = f"tenant=t3&part={part}&format=csv&{_TIME}"
    view = ask(source, page.view, address, viewer or Viewer("finance"))
    return json.loads(json.dumps(records(view)))  # type: ignore[no-any-return]


def _kept(told: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row.get(name) for name in found[0]} for row in told]


@pytest.mark.parametrize(
    ("part", "command"),
    [
        ("models", ("report", "--by", "model", *_OPTIONS, "--tenant", "t3")),
        ("features", ("report", "--by", "feature", *_OPTIONS, "--tenant", "t3")),
        ("budgets", ("budgets", "list", "--tenant", "t3")),
        ("credits", ("credits", "balance", "--tenant", "t3")),
        ("grants", ("credits", "list", "--tenant", "t3")),
        ("actions", ("actions", *_OPTIONS, "--tenant", "t3")),
        ("anomalies", ("anomalies", *_OPTIONS, "--tenant", "t3")),
    ],
)
def test_a_part_is_what_its_command_gives(
    source: Source, home: Path, capsys: Capture, part: str, command: tuple[str, ...]
) -> None:
    told = rows_of(capsys, *command, "--ledger", str(home))
    found = _part(source, part)
    assert bool(found) == bool(told) == (part != "anomalies")
    assert sorted(map(repr, found)) == sorted(map(repr, _kept(told, found) if found else told))


def test_margin_is_that_of_the_command(source: Source, home: Path, capsys: Capture) -> None:
    row, _ = rows_of(capsys, "margin", *_OPTIONS, "--tenant", "t3", "--ledger", str(home))
    (found,) = _part(source, "margin")
    assert found == {name: row[name] for name in found}
    # an invoice of 0.05, and credit that calls burnt
    assert (found["revenue"], found["cost"], found["margin"]) == ("0.0605", "0.0105", "0.05")


def test_the_headline_and_the_bars_are_the_sum(source: Source) -> None:
    view = ask(source, page.view, f"tenant=t3&{_TIME}")
    for side in ("cost", "price"):
        (group,) = view.values["sums"][side]
        assert (str(group.at_least.normalize()), group.calls) == ("0.0105", 3)
    bars = _part(source, "trend")
    assert sum(float(one["amount"]) for one in bars) == pytest.approx(0.0105)
    assert len(view.values["rows"]) == 3


_OF_ROLE: Final[dict[Role, set[str]]] = {
    "finance": {"models", "features", "margin", "budgets", "credits", "grants", "actions"},
    "engineer": {"models", "features", "budgets", "actions"},
    "success": {"models", "features", "budgets", "credits", "grants", "actions"},
    "tenant": {"models", "features", "budgets", "credits", "grants"},
}


def _shown(view: View) -> set[str]:
    return {one.name for one in view.values["sections"]} - {"notices", "trend"}


@pytest.mark.parametrize("role", _OF_ROLE)
def test_each_role_has_its_parts(source: Source, role: Role) -> None:
    viewer = Viewer(role, ("t3",))
    view = ask(source, page.view, f"tenant=t3&{_TIME}", viewer)
    assert _shown(view) == _OF_ROLE[role]
    assert set(view.values["sums"]) == set(viewer.sides)
    sides = {one["side"] for one in _part(source, "budgets", viewer)}
    assert sides == set(viewer.sides)
    for part in {"margin", "credits", "actions", "grants"} - _OF_ROLE[role]:
        with pytest.raises(MissingPageError):
            _part(source, part, viewer)


def test_who_may_not_see_a_tenant_learns_nothing_of_it(source: Source) -> None:
    theirs = Viewer("tenant", ("t3",))
    for named in ("t4", "nobody-ever", "unattributed", "=t4"):
        with pytest.raises(MissingPageError, match="no such tenant"):
            ask(source, page.view, f"tenant={named}", theirs)
    own = ask(source, page.view, _TIME, theirs)
    assert own.values["tenant"] == "t3", "the only one needs no name"
    with pytest.raises(MissingPageError):
        ask(source, page.view, "tenant=t4", Viewer("tenant", ()))


@pytest.mark.parametrize("address", ["", "tenant=t1&tenant=t2"])
def test_it_is_of_one_tenant(source: Source, address: str) -> None:
    with pytest.raises(ConfigurationError, match="has to be one"):
        ask(source, page.view, address)


@pytest.mark.parametrize("by_tenant", [True, False])
def test_hours_at_hand_are_those_of_the_store(source: Source, by_tenant: bool) -> None:
    with closing(source.figures.reading()) as reading:
        data = source.data(reading)
        for selection in (EVERYTHING, Selection(tenants=("t3",)), Selection(side="price")):
            at_hand = sorted(map(repr, data.hourly(selection, by_tenant=by_tenant)))
            asked = sorted(map(repr, hourly(reading, selection, by_tenant=by_tenant)))
            assert at_hand == asked != []


def test_what_is_nobodys_has_a_page_too(source: Source) -> None:
    view = ask(source, page.view, "tenant=unattributed")
    assert view.values["name"] == "unattributed"
    assert len(view.values["rows"]) == 1
    assert _shown(view) == {"models", "features", "actions"}


def test_the_page_and_its_tables_are_served(source: Source) -> None:
    with client_of(source) as client:
        answer = client.get(f"/tenant?tenant=t3&{_TIME}")
        assert answer.status_code == 200
        assert 'class="cost" value="0.0105"' in answer.text
        assert "<svg" in answer.text and "style=" not in answer.text
        for part in ("models", "margin", "trend"):
            table = client.get(f"/tenant?tenant=t3&part={part}&format=csv&{_TIME}")
            assert len(list(csv.DictReader(io.StringIO(table.text)))) >= 1
        assert client.get(f"/tenant?tenant=t3&part=nothing&{_TIME}").status_code == 400
        assert client.get("/tenant").status_code == 400
        quiet = client.get("/tenant?tenant=%3Cscript%3E/../%25&period=all")
        assert quiet.status_code == 200
        assert "&lt;script&gt;/../%" in quiet.text
