"""Health: what the commands `coverage`, `sinks list` and `doctor` say, by their own functions."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from otel_genai_cost.cli.conditions import conditions
from otel_genai_cost.cli.coverage import rows_of
from otel_genai_cost.cli.home import Home
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pages.conditions import Finding
from otel_genai_cost.pages.recent import Recent
from otel_genai_cost.pages.view import MissingPageError
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pages.views import health
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.coverage import coverage
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.command import run
from tests.cli.homes import days, home_of, week
from tests.ledger.build import SECOND_US, START_US, observe, tenant
from tests.pages.views import ask, client_of, records, source_of
from tests.reports.fixture import HOSTILE, make_home

_FOUND = (
    [
        Finding("journal", "ok", "3 segments", ""),
        Finding("gate", "failure", HOSTILE, "use `genai-cost gate`"),
    ],
    START_US,
)


@pytest.fixture(
    scope="module",
    params=[make_home, week, lambda folder: days(folder, 40)],
    ids=["small", "week", "days"],
)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = request.param(tmp_path_factory.mktemp("home"))
    return made


@pytest.mark.parametrize(
    "selection",
    [EVERYTHING, Selection(START_US + 60 * SECOND_US), Selection(None, START_US + 200 * SECOND_US)],
)
def test_the_store_says_what_the_ledger_says(home: Path, selection: Selection) -> None:
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        store = DuckDBSink(home / "charges.duckdb")
        for now_us in (START_US + 300 * SECOND_US, START_US + 30 * 86_400 * SECOND_US):
            read = coverage(ledger, selection, now_us)
            assert coverage(ledger, selection, now_us, store) == read


def test_who_stopped_is_found_in_the_store_too(tmp_path: Path) -> None:
    """A service that calls every hour for ten days, and has been silent for one."""
    rows = [observe(n + 1, trace=n + 1, start_s=n * 3_600, end_s=n * 3_600 + 1) for n in range(240)]
    home = home_of(tmp_path, rows)
    now_us = START_US + 264 * 3_600 * SECOND_US
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        found = coverage(ledger, EVERYTHING, now_us, DuckDBSink(home / "charges.duckdb"))
        assert found.silent.keys() == {"shop"}
        assert found == coverage(ledger, EVERYTHING, now_us)


def test_coverage_and_sinks_are_those_of_the_commands(home: Path) -> None:
    done = run("coverage", "--json", "--ledger", str(home))
    (said,) = map(json.loads, done.stdout.splitlines())
    listed = [
        json.loads(line)
        for line in run("sinks", "list", "--json", "--ledger", str(home)).stdout.splitlines()
    ]
    with source_of(home) as source:
        given = conditions(Home.at(home))
        source = source._replace(conditions=given._replace(findings=lambda: _FOUND))
        found = ask(source, health.view, "period=all")
    assert list(found.values["coverage"]) == rows_of(said)
    assert list(found.values["copies"]) == listed
    shown = [
        (row["what"], row["figure"], row["meaning"])
        for row in records(found)
        if row["section"] == "coverage"
    ]
    assert shown == rows_of(said)
    assert found.values["wrong"] == 1
    assert found.values["behind"].waiting.bytes == 0


def test_what_is_not_in_the_ledger_yet_is_counted_to_the_last_digit(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    journal = Journal([home / "journal"])
    late = [observe(n, trace=n, attribution=tenant("acme")) for n in (20, 21)]
    for one in late:
        journal.append(to_record(one))
    journal.close()
    with source_of(home) as source:
        source = source._replace(
            conditions=conditions(Home.at(home))._replace(findings=lambda: None)
        )
        waiting = ask(source, health.view, "period=all").values["behind"].waiting
        assert waiting.usd == sum(one.cost.total or 0 for one in late) > 0
        assert waiting.bytes > 0
        rows = {row["what"]: row for row in records(ask(source, health.view, "period=all"))}
        assert rows["unshipped_usd"]["figure"] == format_money(waiting.usd)
        run("ship", "--drain", "--ledger", str(home))
        assert ask(source, health.view, "period=all").values["behind"].waiting.usd == 0


def test_what_doctor_finds_is_what_it_says(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    given = conditions(Home.at(home))
    assert given.findings() is None, "it is being looked at"
    looked = None
    while looked is None:
        looked = given.findings()
        threading.Event().wait(0.2)
    done = run("doctor", "--json", "--ledger", str(home))
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.name for one in looked[0]] == [one["name"] for one in said]
    assert [one.state for one in looked[0]] == [one["state"] for one in said]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    home = make_home(tmp_path)
    with source_of(home) as source:
        given = conditions(Home.at(home))._replace(findings=lambda: _FOUND)
        with client_of(source._replace(conditions=given)) as opened:
            yield opened


def test_the_page_says_what_is_wrong_first_and_escapes_it(client: TestClient) -> None:
    text = client.get("/health?period=all").text
    assert "1 wrong" in text
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert text.index(">gate<") < text.index(">journal<")
    assert "<code>genai-cost gate</code>" in text
    table = list(csv.DictReader(io.StringIO(client.get("/health?period=all&format=csv").text)))
    assert {row["section"] for row in table} == {"books", "coverage", "sink", "doctor"}


def test_who_may_see_some_tenants_sees_no_health(tmp_path: Path) -> None:
    with source_of(make_home(tmp_path)) as source, pytest.raises(MissingPageError):
        ask(source, health.view, "period=all", Viewer("finance", ("acme",)))


def test_what_takes_long_is_found_out_beside_pages_and_again_when_it_is_old() -> None:
    found, clock_us, go_on = iter(range(10)), [0], threading.Event()

    def make() -> int:
        go_on.wait()
        return next(found)

    recent = Recent(make, 60, lambda: clock_us[0])
    assert recent.get() is None
    assert recent.get() is None
    go_on.set()
    recent.wait(30)
    assert recent.get() == (0, 0)
    clock_us[0] = 61_000_000
    assert recent.get() == (0, 0), "what was found last, meanwhile"
    recent.wait(30)
    assert recent.get() == (1, 61_000_000)


def test_what_cannot_be_found_out_is_not_looked_for_by_everybody_who_asks() -> None:
    clock_us, looks = [0], list[int]()

    def make() -> int:
        looks.append(clock_us[0])
        raise OSError("no")

    recent = Recent(make, 60, lambda: clock_us[0])
    for us in (0, 1, 59_000_000, 61_000_000, 62_000_000):
        clock_us[0] = us
        assert recent.get() is None
        recent.wait(30)
    assert looks == [0, 61_000_000]


def test_what_cannot_be_found_out_leaves_what_was(caplog: pytest.LogCaptureFixture) -> None:
    clock_us, answers = [0], iter([1])
    recent = Recent(lambda: next(answers), 60, lambda: clock_us[0])
    recent.get()
    recent.wait(30)
    clock_us[0] = 61_000_000
    recent.get()
    recent.wait(30)
    assert recent.get() == (1, 0)
