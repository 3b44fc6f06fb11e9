"""The list of tenants: found, sorted, a page at a time, with the figures of `report`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.views import tenants
from otel_genai_cost.reports.tables import decimal_text, report
from tests.cli.homes import home_of, seconds_of
from tests.ledger.build import observe, tenant
from tests.pages.views import ask, client_of, records, source_of

COUNT = 121
BITING = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    found: list[Observation] = []
    for n in range(COUNT):
        for month in (9, 10) if n % 2 else (10,):
            at_s = seconds_of(f"2026-{month:02}-20T10:00:00Z") + n
            found.append(
                observe(
                    len(found) + 1,
                    trace=len(found) + 1,
                    start_s=at_s,
                    end_s=at_s + 1,
                    attribution=tenant(f"team-{n:03}", feature=BITING),
                    tokens=(100 * (n + 1) * (month - 8), 10),
                    response_id=f"r-{len(found)}",
                )
            )
    home: Path = home_of(tmp_path_factory.mktemp("home"), found)
    with source_of(home) as opened:
        yield opened


OCTOBER = "from=2026-10-01&to=2026-11-01"


def test_every_tenant_is_there_once_with_its_figure(source: Source) -> None:
    shown = records(ask(source, tenants.view, OCTOBER))
    assert len(shown) == COUNT
    reading = source.figures.reading()
    expected = {
        one.keys["tenant"]: decimal_text(one.total)
        for one in report(reading, ["month", "tenant"])
        if one.total is not None and one.keys["month"] == "2026-10-01T00:00:00Z"
    }
    reading.close()
    assert {one["tenant"]: one["total"] for one in shown} == expected


def test_pages_of_fifty_have_all_of_them_in_order(source: Source) -> None:
    pages = [ask(source, tenants.view, f"{OCTOBER}&page={n}").values for n in (1, 2, 3)]
    names = [row.tenant for page in pages for row in page["rows"]]
    assert [len(page["rows"]) for page in pages] == [50, 50, 21]
    assert names == [f"team-{n:03}" for n in reversed(range(COUNT))]
    assert ask(source, tenants.view, f"{OCTOBER}&page=99").values["number"] == 3


@pytest.mark.parametrize(
    ("sort", "first"),
    [("name", "team-000"), ("cost", "team-120"), ("calls", "team-120"), ("change", "team-120")],
)
def test_it_is_sorted(source: Source, sort: str, first: str) -> None:
    found = ask(source, tenants.view, f"{OCTOBER}&sort={sort}").values["rows"]
    assert found[0].tenant == first


def test_it_is_searched(source: Source) -> None:
    assert ask(source, tenants.view, f"{OCTOBER}&q=TEAM-01").values["found"] == 10
    assert ask(source, tenants.view, f"{OCTOBER}&q=<none>").values["found"] == 0


def test_change_is_against_the_period_before(source: Source) -> None:
    shown = {one["tenant"]: one for one in records(ask(source, tenants.view, OCTOBER))}
    assert shown["team-002"]["before"] in (None, "")
    assert float(shown["team-001"]["change"]) > 0


def test_what_was_looked_for_is_text(source: Source) -> None:
    with client_of(source) as client:
        page = client.get("/tenants", params={"q": BITING, "period": "all"})
        found = client.get("/tenants", params={"q": "001", "period": "all"}).text
    assert page.status_code == 200
    assert BITING not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "/tenant?" in found
    assert 'class="spark"' in found
