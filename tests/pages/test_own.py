"""A tenant's own page: what it shows is what reports give for that side, and nothing of cost is asked for."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from otel_genai_cost.ledger.sink import Rows
from otel_genai_cost.pages.app import application
from otel_genai_cost.pages.viewer import Viewer
from tests.cli.command import run
from tests.pages.crowd import OWN, URL, Crowd, name_of


@pytest.fixture
def client(many: Crowd) -> Iterator[TestClient]:
    app = application(many.source, access=many.access())
    with TestClient(app, base_url=URL, follow_redirects=False) as opened:
        yield opened


@pytest.mark.parametrize("by", ["model", "feature", "day"])
def test_it_shows_what_report_gives(many: Crowd, client: TestClient, by: str) -> None:
    asked = ("--by", by, "--tenant", name_of(3), "--side", "price", "--csv")
    done = run("report", "--ledger", str(many.home), *asked)
    reported = {one[by]: one for one in csv.DictReader(io.StringIO(done.stdout))}
    address = f"/own?link={many.link(name_of(3))}&by={by}&period=all&format=csv"
    shown = list(csv.DictReader(io.StringIO(client.get(address).text)))
    assert {one[by]: (one["calls"], one["price"], one["at_least"]) for one in shown} == {
        key: (one["calls"], one["total"], one["at_least"]) for key, one in reported.items()
    }
    assert all(int(one["input_tokens"]) > 0 for one in shown)


def test_credits_and_budgets_of_what_customers_pay(many: Crowd, client: TestClient) -> None:
    page = client.get(f"/own?link={many.link(name_of(2))}").text
    for mark in ("56543.502", "zqbudget02", "100987.25", "Zqname02"):
        assert mark in page
    assert "zqbudget03" not in page
    of_cost = client.get(f"/own?link={many.link(name_of(3))}").text
    assert "57654.503" in of_cost
    assert "zqbudget03" not in of_cost  # a budget of what it costs us


@pytest.mark.parametrize("side", ["", "&side=cost"])
def test_nothing_of_cost_is_asked_for(
    many: Crowd, client: TestClient, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    asked: list[str] = []
    kept = type(many.source.figures.reading())
    query = kept.query

    def watched(self: Any, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        asked.append(sql)
        return query(self, sql, parameters)

    monkeypatch.setattr(kept, "query", watched)
    found = client.get(f"/own?link={many.link(OWN)}&period=all{side}")
    assert found.status_code == 200
    assert len(asked) >= 2
    for sql in asked:
        assert not re.search(r"\(amount|entries\.currency|\blines\b|\bcost\b", sql), sql


def test_who_looks_where(many: Crowd, client: TestClient) -> None:
    """A tenant is led to its own page; the team sees a tenant's page as the tenant does."""
    tenant = {"cookie": many.cookie(Viewer("tenant", (OWN,), "ada"))}
    found = client.get("/?period=all", headers=tenant)
    assert (found.status_code, found.headers["location"]) == (303, "/own?period=all")
    assert client.get("/own", headers=tenant).status_code == 200
    assert client.get("/live", headers=tenant).status_code == 404
    team = {"cookie": many.cookie(Viewer("success", None, "bob"))}
    assert client.get("/own", headers=team).status_code == 400
    assert name_of(4) in client.get(f"/own?tenant={name_of(4)}", headers=team).text
    engineer = {"cookie": many.cookie(Viewer("engineer", None, "eve"))}
    assert client.get(f"/own?tenant={name_of(4)}", headers=engineer).status_code == 404


@pytest.mark.parametrize("other", [name_of(1), "nobody-known", "unattributed", "' OR 1=1 --"])
def test_another_tenant_is_nobody(many: Crowd, client: TestClient, other: str) -> None:
    """One that is there and one that is not are answered alike."""
    found = client.get("/own", params={"link": many.link(OWN), "tenant": other})
    assert (found.status_code, "there is no such tenant here" in found.text) == (404, True)


def test_links_of_the_page_keep_the_link(many: Crowd, client: TestClient) -> None:
    link = many.link(OWN)
    found = client.get(f"/own?link={link}")
    addresses = re.findall(r'href="(\?[^"]*)"', found.text)
    assert len(addresses) >= 7
    assert all(f"link={link}" in one for one in addresses)
    assert found.headers["content-security-policy"].endswith(
        "frame-ancestors https://app.example.com"
    )


def test_signing_out(many: Crowd, client: TestClient) -> None:
    cookie = {"cookie": many.cookie(Viewer("finance", None, "ada"))}
    page = client.get("/", headers=cookie).text
    (token,) = re.findall(r'name="token" value="([0-9a-f]+)"', page)
    assert client.post("/sign-out", headers=cookie).status_code == 403
    assert client.get("/", headers=cookie).status_code == 200
    gone = client.post("/sign-out", headers=cookie, data={"token": token})
    assert gone.status_code == 200
    assert 'genai-cost=""' in gone.headers["set-cookie"]
    assert client.get("/", headers=cookie).status_code == 401


def test_a_tenant_begins_with_its_own_last_month(many: Crowd, client: TestClient) -> None:
    """Not with that of others' last calls."""
    page = client.get("/own", params={"link": many.link(OWN)}).text
    assert "2026-11-01T00:00:00Z" in page
    nobody = client.get("/own", params={"link": many.link("zq-without-calls")}).text
    assert "2099-01-01T00:00:00Z" in nobody
    assert "No calls in this time" in nobody
