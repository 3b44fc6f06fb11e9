"""Calls and receipts on pages: the figures of `charges` and `explain`, as far as each viewer may see them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.trace_link import trace_link
from otel_genai_cost.pages.view import MissingPageError
from otel_genai_cost.pages.viewer import Role, Viewer
from otel_genai_cost.pages.views import call, calls
from tests.cli.homes import home_of
from tests.cli.homes import week as _week
from tests.cli.program import call as command
from tests.cli.program import rows_of
from tests.ledger.build import observe, tenant
from tests.pages.views import ask, client_of, records, source_of

Capture = pytest.CaptureFixture[str]

TRACES = "https://traces.example.com/t/{trace_id}?span={span_id}"
NAMES = (
    "<script>alert(1)</script>",
    "\u202egnp.\u2066evil",
    "a/../../etc/passwd",
    "100%25 & more?x=1#y",
    "ü" * 5_000 + "/" + "x" * 4_999,
    "../..",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _week(tmp_path_factory.mktemp("week"))


@pytest.fixture(scope="module")
def source(home: Path) -> Iterator[Source]:
    with source_of(home, traces=trace_link(TRACES)) as opened:
        yield opened


def _viewer(role: Role, *tenants: str) -> Viewer:
    return Viewer(role, tenants or None)


def test_they_are_those_of_the_command(source: Source, home: Path, capsys: Capture) -> None:
    told = rows_of(capsys, "charges", "--ledger", str(home))
    found = records(ask(source, calls.view, ""))
    assert len(found) == len(told) == 19
    by_id = {one["charge_id"]: one for one in told}
    for one in found:
        its = by_id[one["charge_id"]]
        assert {name: its[name] for name in one} == one
    assert [one["occurred"] for one in found] == sorted(
        (one["occurred"] for one in told), reverse=True
    )


def test_filters_are_those_of_the_command(source: Source, home: Path, capsys: Capture) -> None:
    asked = ("--tenant", "t5", "--feature", "search", "--since", "2026-11-20")
    told = rows_of(capsys, "charges", *asked, "--ledger", str(home))
    found = records(ask(source, calls.view, "tenant=t5&feature=search&since=2026-11-20"))
    assert 0 < len(found) < 5
    assert {one["charge_id"] for one in found} == {one["charge_id"] for one in told}
    nobodys = records(ask(source, calls.view, "tenant=unattributed"))
    assert [one["tenant"] for one in nobodys] == [None]


def test_a_long_list_goes_on(tmp_path: Path) -> None:
    many = [
        observe(
            n,
            trace=n,
            start_s=n * 60,
            end_s=n * 60 + 1,
            attribution=tenant("t"),
            response_id=f"r{n}",
        )
        for n in range(1, 131)
    ]
    with source_of(home_of(tmp_path / "home", many)) as opened:
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            view = ask(opened, calls.view, f"tenant=t&after={after}")
            seen += [row.charge_id for row in view.values["rows"]]
            after = view.values["after"]
        assert seen == [one.id for one in reversed(many)]


@pytest.mark.parametrize(
    ("role", "has", "lacks"),
    [
        ("finance", {"amount", "price"}, set[str]()),
        ("engineer", {"amount"}, {"price"}),
        ("success", {"price"}, {"amount", "total", "currency"}),
        ("tenant", {"price"}, {"amount", "total", "currency"}),
    ],
)
def test_each_sees_their_sides(source: Source, role: Role, has: set[str], lacks: set[str]) -> None:
    found = ask(source, calls.view, "", _viewer(role, "t2"))
    columns = set(found.table.columns if found.table else ())
    assert has <= columns
    assert not lacks & columns
    assert {one["tenant"] for one in records(found)} == {"t2"}
    assert all(set(row.record) == columns for row in found.values["rows"])


def test_a_tenant_sees_no_call_of_another(source: Source, home: Path, capsys: Capture) -> None:
    theirs = _viewer("tenant", "t2")
    for one in rows_of(capsys, "charges", "--ledger", str(home)):
        address = urlencode({"id": one["charge_id"]})
        if one["tenant"] == "t2":
            assert ask(source, call.view, address, theirs).values["receipts"]
        else:
            with pytest.raises(MissingPageError):
                ask(source, call.view, address, theirs)
    assert records(ask(source, calls.view, "tenant=t1", theirs)) == []
    assert records(ask(source, calls.view, "", _viewer("tenant"))) == []


def test_a_receipt_is_what_explain_says(source: Source, home: Path, capsys: Capture) -> None:
    ids = [one["charge_id"] for one in rows_of(capsys, "charges", "--ledger", str(home))]
    for charge_id in (ids[0], *ids[-4:]):
        said = command(capsys, "explain", charge_id, "--ledger", str(home)).out
        for asked in (charge_id, charge_id[:8], charge_id.upper()):
            (receipt,) = ask(source, call.view, urlencode({"id": asked})).values["receipts"]
            assert said == f"{receipt.text}\n"
            assert receipt.charge_id == charge_id


def test_the_lines_of_a_receipt_are_its_table(source: Source, home: Path, capsys: Capture) -> None:
    (one,) = rows_of(capsys, "charges", "--tenant", "t1", "--ledger", str(home))
    found = records(ask(source, call.view, f"id={one['charge_id']}"))
    assert [(r["leaf"], r["quantity"], r["amount"]) for r in found] == [
        (line["leaf"], line["quantity"], line["amount"]) for line in one["lines"]
    ]


def test_a_response_id_may_be_of_several(source: Source) -> None:
    found = ask(source, call.view, "id=chatcmpl-twice").values["receipts"]
    assert len(found) == 2
    (single,) = ask(source, call.view, "id=chatcmpl-3-1").values["receipts"]
    assert single.parts[0].tenant == "t3"


def test_no_cost_is_on_the_receipt_of_who_may_see_none(
    source: Source, home: Path, capsys: Capture
) -> None:
    (one,) = rows_of(capsys, "charges", "--tenant", "t1", "--ledger", str(home))
    for role in ("success", "tenant"):
        view = ask(source, call.view, f"id={one['charge_id']}", _viewer(role, "t1"))
        (receipt,) = view.values["receipts"]
        assert receipt.text == ""
        assert {name for row in records(view) for name in row} == {
            *("charge_id", "leaf", "quantity", "price", "price_currency")
        }
    view = ask(source, call.view, f"id={one['charge_id']}", _viewer("tenant", "t1"))
    (theirs,) = view.values["receipts"]
    assert not theirs.traces, "where the team sees traces is no tenant's business"
    assert theirs.parts[0].labels == {"feature": "chat"}, "nor what else it calls its work"


@pytest.mark.parametrize(
    "wanted", ["", "   ", "0" * 32, "nothing", "zz" * 400, "' OR 1=1 --", "%", "\0"]
)
def test_an_id_of_nothing(source: Source, wanted: str) -> None:
    with pytest.raises(MissingPageError):
        ask(source, call.view, urlencode({"id": wanted}))


def test_a_receipt_leads_to_its_trace(source: Source, home: Path, capsys: Capture) -> None:
    (one,) = rows_of(capsys, "explain", "chatcmpl-3-1", "--ledger", str(home))
    (member,) = one["observations"]
    (receipt,) = ask(source, call.view, "id=chatcmpl-3-1").values["receipts"]
    address = f"https://traces.example.com/t/{member['trace_id']}?span={member['span_id']}"
    assert receipt.traces == ((member["span_id"], "client", address),)


def test_a_place_that_is_none_is_refused(source: Source) -> None:
    with pytest.raises(ConfigurationError):
        ask(source, calls.view, "after=tomorrow")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Path]]:
    """A call of each hostile tenant, of a model as hostile."""
    folder = home_of(
        tmp_path_factory.mktemp("hostile"),
        [
            observe(
                n, trace=n, start_s=n, end_s=n + 1, model=name[:2_000], attribution=tenant(name)
            )
            for n, name in enumerate(NAMES, start=1)
        ],
    )
    with (
        source_of(folder) as opened,
        client_of(opened) as client,
    ):
        yield client, folder


@pytest.mark.parametrize("n", range(len(NAMES)))
def test_names_that_bite_are_names(
    hostile: tuple[TestClient, Path], n: int, capsys: Capture
) -> None:
    client, folder = hostile
    booked: list[dict[str, Any]] = rows_of(capsys, "charges", "--ledger", str(folder))
    (mine,) = [one for one in booked if json.dumps(NAMES[n])[1:20] in json.dumps(one["tenant"])]
    page = client.get("/calls", params={"period": "all", "tenant": mine["tenant"]})
    assert page.status_code == 200
    assert f"id={mine['charge_id']}" in page.text
    assert page.text.count('href="/call?') == 1
    _check_inert(page.text)
    receipt = client.get("/call", params={"id": mine["charge_id"]})
    assert receipt.status_code == 200
    assert mine["charge_id"] in receipt.text
    _check_inert(receipt.text)


def _check_inert(page: str) -> None:
    """Nothing of a name is markup, and none turns the direction of what is read; in values and links it is itself."""
    assert "<script>alert" not in page
    assert not set("\u202e\u2066") & set(re.sub(r"<[^>]*>", "", page))
