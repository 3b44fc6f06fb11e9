"""Actions: the figures of `genai-cost actions`, and of each action the calls that `genai-cost charges` has."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.troubles import Troubles
from otel_genai_cost.pages.view import MissingPageError, csv_text
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pages.views import action, actions
from otel_genai_cost.reports.action_costs import action_costs
from otel_genai_cost.reports.action_tree import Branch, branches
from otel_genai_cost.reports.selection import EVERYTHING
from otel_genai_cost.reports.tables import decimal_text
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.command import run
from tests.cli.homes import home_of
from tests.ledger.build import observe, tenant
from tests.pages.views import ask, client_of, records, source_of
from tests.reports.actions_home import make_actions
from tests.reports.fixture import HOSTILE, make_home


class _Made(NamedTuple):
    home: Path
    observed: list[Observation]
    source: Source
    client: TestClient


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Made]:
    home, observed = make_actions(tmp_path_factory.mktemp("actions"), 30)
    with source_of(home) as source, client_of(source) as client:
        yield _Made(home, observed, source, client)


def _csv(client: TestClient, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def _command(home: Path, *arguments: str) -> list[dict[str, str]]:
    done = run(*arguments, "--csv", "--ledger", str(home))
    return list(csv.DictReader(io.StringIO(done.stdout)))


def _charges(home: Path) -> list[dict[str, Any]]:
    done = run("charges", "--json", "--ledger", str(home))
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("by", ["tenant", "feature", "model"])
def test_the_table_is_that_of_the_command(made: _Made, by: str) -> None:
    shown = _csv(made.client, f"/actions?period=all&by={by}&format=csv")
    assert len(shown) > 1
    assert shown == _command(made.home, "actions", "--by", by)


def test_a_selection_and_the_other_side_are_those_of_the_command(made: _Made) -> None:
    shown = _csv(made.client, "/actions?period=all&tenant=acme&side=price&format=csv")
    options = ("--tenant", "acme", "--side", "price")
    assert shown == _command(made.home, "actions", *options)


@pytest.mark.parametrize("by", ["tenant", "feature", "model"])
def test_the_headline_is_of_whole_actions_whatever_they_are_grouped_by(
    made: _Made, by: str
) -> None:
    (whole,) = _command(made.home, "actions", "--by", "provider")
    text = made.client.get(f"/actions?period=all&by={by}").text
    for name in ("mean", "p50", "p95"):
        assert whole[name] in text
    assert f"{int(whole['actions']):,}" in text


def test_the_dearest_are_in_order_and_the_distribution_has_each_action(made: _Made) -> None:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in _charges(made.home):
        sums[row["tenant"], row["action"]] += Decimal(row["amount"])
    store = DuckDBSink(made.home / "charges.duckdb")
    found = action_costs(store, EVERYTHING, 7)["USD"]
    assert [one.amount for one in found.dearest] == sorted(sums.values(), reverse=True)[:7]
    for one in found.dearest:
        assert sums[str(one.tenant), one.action] == one.amount
    for bucket in found.buckets:
        low, high = bucket.low or Decimal("-Infinity"), bucket.high or Decimal("Infinity")
        assert bucket.actions == sum(low <= amount < high for amount in sums.values())
    assert sum(one.actions for one in found.buckets) == len(sums)


def test_an_action_is_its_calls(made: _Made) -> None:
    dear = action_costs(DuckDBSink(made.home / "charges.duckdb"), EVERYTHING, 1)["USD"].dearest[0]
    rows = [row for row in _charges(made.home) if row["action"] == dear.action]
    shown = _csv(made.client, f"/action?id={dear.action}&period=all&format=csv")
    assert 15 <= len(shown) <= 50
    assert {row["charge_id"]: row["amount"] for row in shown} == {
        row["charge_id"]: row["amount"] for row in rows
    }
    page = made.client.get(f"/action?id={dear.action}&period=all").text
    assert f'value="{decimal_text(dear.amount)}"' in page
    assert sum(Decimal(row["amount"]) for row in shown) == dear.amount
    assert all(f"id={row['charge_id']}" in page for row in shown)
    assert made.client.get(f"/action?id={dear.action}").status_code == 200, "of whatever month"


def test_links_lead_to_pages(made: _Made) -> None:
    """Those of tenants, models, features and calls."""
    for by in ("tenant", "model", "feature"):
        page = made.client.get(f"/actions?period=all&by={by}").text
        (first, *_) = page.split("<h2>By ")[1].split("<tbody>")[1].split('href="')[1:]
        address = first.split('"')[0].replace("&amp;", "&")
        assert made.client.get(address).status_code == 200, address
    dear = action_costs(DuckDBSink(made.home / "charges.duckdb"), EVERYTHING, 1)["USD"].dearest[0]
    page = made.client.get(f"/action?id={dear.action}&period=all").text
    links = {one.split('"')[0].replace("&amp;", "&") for one in page.split('href="')[1:]}
    wanted = [one for one in links if one.startswith(("/call?", "/tenant?"))]
    assert len(wanted) == dear.calls + 1
    for address in wanted[:5]:
        assert made.client.get(address).status_code == 200, address


def test_what_is_no_action_is_not_found(made: _Made) -> None:
    for wanted in ("", "nothing", "x" * 20_000, "' OR TRUE --", "\x00"):
        assert made.client.get("/action", params={"id": wanted}).status_code == 404


def test_who_sees_one_tenant_sees_no_action_of_others(made: _Made) -> None:
    dearest = action_costs(DuckDBSink(made.home / "charges.duckdb"), EVERYTHING, 50)["USD"].dearest
    assert {one.tenant for one in dearest} == {"acme", "globex", "initech"}
    viewer = Viewer("success", ("globex",))
    for one in dearest:
        address = f"id={one.action}&tenant={one.tenant}"
        if one.tenant == "globex":
            assert len(records(ask(made.source, action.view, address, viewer))) == one.calls
            continue
        with pytest.raises(MissingPageError):
            ask(made.source, action.view, address, viewer)
    mine = _command(made.home, "actions", "--tenant", "globex", "--side", "price")
    seen = ask(made.source, actions.view, "by=tenant&side=cost", viewer)
    assert seen.table is not None
    assert list(csv.DictReader(io.StringIO(csv_text(seen.table)))) == mine
    assert {one.action.tenant for each in seen.values["sums"] for one in each.dearest} == {"globex"}


def test_names_that_bite_are_text(tmp_path: Path) -> None:
    with source_of(make_home(tmp_path)) as source, client_of(source) as client:
        for by in ("tenant", "feature", "model"):
            page = client.get(f"/actions?period=all&by={by}").text
            assert "<script>alert" not in page
        assert (
            "&lt;script&gt;alert(1)&lt;/script&gt;"
            in client.get("/actions?period=all&by=feature").text
        )
        (row,) = [one for one in _charges(tmp_path) if one["feature"] == HOSTILE]
        page = client.get(f"/action?period=all&id={row['action']}").text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def _shape(found: tuple[Branch, ...]) -> list[object]:
    return [(one.charge_id or one.name or "?", _shape(one.inner)) for one in found]


def test_calls_stand_where_they_were_made() -> None:
    """An agent's span around two calls, one of which called another; a framework tells of the first as well; and one
    alone."""
    first = observe(2, above=(9, 1), end_s=2)
    told = observe(9, above=(1,), end_s=3, scope="framework")
    second, within = observe(3, above=(1,), end_s=9), observe(4, above=(8, 3, 1), end_s=6)
    alone = observe(7, trace=5, end_s=9)
    members = {"a": [told, first], "b": [second], "c": [within], "d": [alone]}
    agent = {f"{1:016x}": "planner"}
    assert _shape(branches([*members], members, agent)) == [
        ("planner", [("a", []), ("b", [("c", [])])]),
        ("d", []),
    ]
    assert _shape(branches([*members], members, {})) == [
        ("?", [("a", []), ("b", [("c", [])])]),
        ("d", []),
    ]


def test_a_tree_that_bites_its_tail_is_shown_whole() -> None:
    one, other = observe(1, above=(2,)), observe(2, above=(1,))
    found = branches(["a", "b"], {"a": [one], "b": [other]}, {})
    assert sorted(charge for top in found for charge in top.charges) == ["a", "b"]


def test_a_tree_as_deep_as_there_are_calls_is_shown_whole() -> None:
    members = {f"{n:032x}": [observe(n + 1, above=tuple(range(n, 0, -1)))] for n in range(500)}
    found = branches([*members], members, {})
    assert sorted(charge for top in found for charge in top.charges) == sorted(members)


def test_what_became_of_calls_is_kept_and_the_same(
    made: _Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_genai_cost.pages.troubles._NEWEST", 100)

    def opened() -> Ledger:
        return Ledger(made.home / LEDGER_FILE, readonly=True)

    ledger, clock = opened(), [0.0]
    troubles = Troubles(lambda: clock[0])
    whole = list(ledger.observations.troubled())
    assert len(whole) > 20
    assert troubles.readings(ledger, opened) == whole
    assert troubles.readings(ledger, opened) == whole
    troubles._known.found[0] = whole[-1]
    clock[0] = 1_000.0
    assert troubles.readings(ledger, opened) == [whole[-1], *whole[1:]]
    troubles.wait(60)
    assert troubles.readings(ledger, opened) == whole
    ledger.close()


def test_a_tenant_of_an_odd_name_has_its_actions(tmp_path: Path) -> None:

    rows = [
        observe(n, trace=n, attribution=tenant(name))
        for n, name in enumerate(("unattributed", "a/b?c&d", None), 1)
    ]
    with source_of(home_of(tmp_path, rows)) as source, client_of(source) as client:
        text = client.get("/actions?period=all").text
        links = [
            one.split('"')[0].replace("&amp;", "&") for one in text.split('href="/action?')[1:]
        ]
        assert len(links) == 3
        for link in links:
            assert client.get(f"/action?{link}").status_code == 200
