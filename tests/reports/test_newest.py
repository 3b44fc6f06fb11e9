"""Calls a page at a time: each once, the newest first, with the figures that `genai-cost charges` has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reports.newest import NewestCalls, Place, newest_calls, place_in
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import days, held, home_of, seconds_of, week
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant
from tests.ledger.rerating.test_terms import HALF

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with held(week(tmp_path_factory.mktemp("week"))) as folder:
        yield folder


def _store(home: Path) -> DuckDBSink:
    return DuckDBSink(home / "charges.duckdb")


def _pages(home: Path, ledger: Ledger, selection: Selection, count: int) -> Iterator[NewestCalls]:
    after: Place | None = None
    while True:
        page = newest_calls(_store(home), ledger, selection, after, count)
        yield page
        after = None if page.after is None else place_in(str(page.after))
        if after is None:
            return


def _records(pages: Iterator[NewestCalls]) -> list[dict[str, Any]]:
    return json.loads(json.dumps([call.record for page in pages for call in page.calls]))  # type: ignore[no-any-return]


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_all_pages_are_all_charges(home: Path, ledger: Ledger, count: int, capsys: Capture) -> None:
    told = rows_of(capsys, "charges", "--ledger", str(home))
    pages = list(_pages(home, ledger, EVERYTHING, count))
    assert all(len(page.calls) <= count for page in pages)
    found = _records(iter(pages))
    assert [one["occurred"] for one in found] == sorted((r["occurred"] for r in told), reverse=True)
    key = "charge_id"
    assert sorted(found, key=lambda r: str(r[key])) == sorted(told, key=lambda r: str(r[key]))


def test_of_one_tenant_and_time(home: Path, ledger: Ledger, capsys: Capture) -> None:
    asked = ("--tenant", "t4", "--from", "2026-11-20T10:11:00Z")
    told = rows_of(capsys, "charges", *asked, "--ledger", str(home))
    selection = Selection(tenants=("t4",), from_us=1_795_169_460_000_000)
    found = _records(_pages(home, ledger, selection, 2))
    assert 0 < len(told) < 4
    assert {one["charge_id"] for one in found} == {one["charge_id"] for one in told}


def test_who_may_see_nothing_sees_none(home: Path, ledger: Ledger) -> None:
    nothing = EVERYTHING._replace(visible=())
    assert newest_calls(_store(home), ledger, nothing) == NewestCalls((), None)
    theirs = EVERYTHING._replace(visible=("t3",))
    found = newest_calls(_store(home), ledger, theirs).calls
    assert [call.position.attribution.tenant for call in found] == ["t3"] * 3


def test_what_was_corrected_comes_once(tmp_path: Path, capsys: Capture) -> None:
    """With more entries for each charge than are read at once for so few calls."""
    home = str(days(tmp_path / "home", 4))
    half = HALF.replace('match = { tenant = "acme" }\n', "")
    for n in range(1, 6):
        contracts = tmp_path / f"{n}.toml"
        contracts.write_text(half.replace("multiplier = 0.5", f"multiplier = 0.{n}"))
        asked = ("--contracts-only", "--contracts", str(contracts), "--ledger", home)
        assert call(capsys, "rerate", *asked).code == 0
    told = rows_of(capsys, "charges", "--ledger", home)
    opened = Ledger(Path(home) / LEDGER_FILE, readonly=True)
    try:
        assert opened.entries.last_seq() == 4 * 6
        found = _records(_pages(Path(home), opened, EVERYTHING, 1))
    finally:
        opened.close()
    assert [one["charge_id"] for one in found] == [one["charge_id"] for one in reversed(told)]
    assert {one["amount"] for one in found} == {one["amount"] for one in told} == {"0.00175"}


def test_calls_of_one_instant_are_in_one_order(tmp_path: Path) -> None:
    at_s = seconds_of("2026-11-20T10:00:00Z")
    same = [
        observe(
            n, trace=n, start_s=at_s, end_s=at_s + 1, attribution=tenant("t"), response_id=f"r{n}"
        )
        for n in range(1, 10)
    ]
    home = home_of(tmp_path / "home", same)
    opened = Ledger(home / LEDGER_FILE, readonly=True)
    try:
        ids = [one["charge_id"] for one in _records(_pages(home, opened, EVERYTHING, 2))]
    finally:
        opened.close()
    assert ids == sorted((one.id for one in same), reverse=True)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1",
        "1-",
        f"-{'a' * 32}",
        f"1-{'g' * 32}",
        f"{'9' * 18}-{'a' * 32}",
        f"1-{'a' * 33}",
        "1" * 9_999,
    ],
)
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no place"):
        place_in(text)
    assert place_in("") is None
