"""The first page: the same figures as `report`, whoever looks and however it is asked."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.figures import Figures
from tests.cli.command import run
from tests.pages.views import client_of
from tests.reports.fixture import HOSTILE, make_home

NOW_US = 1_800_000_000_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    figures = Figures(home)
    figures.refresh()
    source = Source(figures, home, (home / "journal",), lambda digest: None, lambda: NOW_US)
    with client_of(source) as opened:
        yield opened
    figures.close()


def _reported(home: Path, *more: str) -> list[dict[str, str]]:
    done = run("report", "--ledger", str(home), "--csv", *more)
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_the_table_is_that_of_report(home: Path, client: TestClient) -> None:
    shown = list(csv.DictReader(io.StringIO(client.get("/?period=all&format=csv").text)))
    assert len(shown) > 2
    assert [{name: one[name] for name in shown[0]} for one in _reported(home)] == shown


def test_the_headline_is_the_exact_sum(home: Path, client: TestClient) -> None:
    (row,) = _reported(home, "--by", "provider")
    assert f'value="{row["at_least"]}"' in client.get("/?period=all").text


@pytest.mark.parametrize("by", ["tenant", "model", "feature"])
@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
def test_the_bars_add_up_to_what_report_gives(
    home: Path, client: TestClient, by: str, tz: str
) -> None:
    asked = {"period": "all", "by": by, "tz": tz, "unit": "hour", "table": "time", "format": "csv"}
    bars = list(csv.DictReader(io.StringIO(client.get("/", params=asked).text)))
    found: dict[str, Decimal] = {}
    for one in bars:
        found[one["hour"]] = found.get(one["hour"], Decimal(0)) + Decimal(one["total"])
    reported = _reported(home, "--by", "hour", "--tz", tz)
    assert found == {
        one["hour"]: Decimal(one["at_least"]) for one in reported if one["at_least"] != ""
    }
    assert by == "model" or len({one["series"] for one in bars}) > 1


def test_what_is_not_known_is_said_with_what_to_do(client: TestClient) -> None:
    page = client.get("/?period=all").text
    assert "1 call without a price" in page
    assert "house-model" in page
    assert "1 call without a tenant" in page
    assert "<code>genai-cost rerate</code>" in page


def test_a_unit_that_gives_too_many_bars_is_refused(client: TestClient) -> None:
    answer = client.get("/?from=2001-01-01&to=2030-01-01&unit=minute")
    assert answer.status_code == 400


def test_a_month_without_calls_says_so_and_the_default_is_the_last_that_has_any(
    client: TestClient,
) -> None:
    assert "No calls in this time" in client.get("/?from=2001-01-01&to=2001-02-01").text
    assert "acme" in client.get("/").text


def test_a_name_that_bites_is_text(client: TestClient) -> None:
    page = client.get("/", params={"feature": HOSTILE, "period": "all"}).text
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=yesterday", "from is no instant"),
        ("tz=Europe/Nowhere", "no such time zone"),
        ("last=1x", "last is no length of time"),
        ("from=2026-01-02&to=2026-01-01", "the time ends before it begins"),
        ("page=0", "page is no number of a page"),
        ("format=pdf", "format is none of its words"),
        ("period=decade", "period is none of its words"),
        ("period=all&last=1h", "both say which time is meant"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_what_to_do(
    client: TestClient, query: str, said: str
) -> None:
    answer = client.get(f"/?{query}")
    assert answer.status_code == 400
    assert said in answer.text
    assert "What to do" in answer.text


def test_another_name_for_this_machine_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "pages.example"}).status_code == 421
    assert client.get("/", headers={"host": "[::1]:4190"}).status_code == 200


def test_nothing_runs_that_stands_in_the_page(client: TestClient) -> None:
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "style=" not in answer.text
    assert "<script>" not in answer.text


def test_what_is_not_there(client: TestClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "there is no such page" in answer.text
