"""Reports: every total is the sum over entries, whatever it is grouped by."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.sink import Rows
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.reports.html import page
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import DIMENSIONS, group_record, report, totals
from otel_genai_cost.reports.trend import Bar, plot
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import held
from tests.ledger.build import START_US
from tests.reports.fixture import HOSTILE, make_home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with held(make_home(tmp_path_factory.mktemp("home"))) as folder:
        yield folder


@pytest.fixture
def store(home: Path) -> DuckDBSink:
    return DuckDBSink(home / "charges.duckdb")


_PAIRS = [*itertools.combinations(["tenant", "model", "feature", "hour", "reason", "service"], 2)]


@pytest.mark.parametrize("by", [*([one] for one in DIMENSIONS), *map(list, _PAIRS)], ids=",".join)
def test_any_grouping_readds_to_the_entries(
    store: DuckDBSink, ledger: Ledger, by: list[str]
) -> None:
    (whole,) = totals(report(store, by))
    entries = list(ledger.entries)
    assert parse_money(whole.total) == sum(entry.amount for entry in entries)
    assert whole.calls == sum(entry.calls for entry in entries) == 5
    assert whole.unpriced == sum(entry.unpriced for entry in entries)


def test_tenants(store: DuckDBSink) -> None:
    rows = {row["tenant"]: row for row in map(group_record, report(store, ["tenant"]))}
    # acme: 488 fresh at 2.50, 512 cached at 1.25, 100 out at 10; and 1,000 in, 100 out; a refused call costs nothing
    assert rows["acme"] == {
        "tenant": "acme",
        "calls": 3,
        "priced": 3,
        "unpriced": 0,
        "total": "0.00636",
        "currency": "USD",
        "at_least": "0.00636",
    }
    assert rows["globex"]["at_least"] is None
    assert (rows["globex"]["total"], rows["globex"]["unpriced"]) == (None, 1)
    assert rows[None]["calls"] == 1


def test_hours_are_instants(store: DuckDBSink) -> None:
    hours = [group.keys["hour"] for group in report(store, ["hour"])]
    assert hours == ["2026-11-18T11:00:00Z", "2026-11-18T12:00:00Z"]


def test_span_is_half_open(store: DuckDBSink) -> None:
    at_us = START_US + 61_000_000  # globex' call ended then
    assert [g.keys["tenant"] for g in report(store, ["tenant"], Selection(at_us, at_us + 1))] == [
        "globex"
    ]
    assert report(store, ["tenant"], Selection(at_us - 1_000, at_us)) == []


def test_costliest_first(store: DuckDBSink) -> None:
    assert [g.keys["tenant"] for g in report(store, ["tenant"], by_cost=True)] == [
        "acme",
        None,
        "globex",
    ]


def test_unknown_dimension_is_refused_with_those_there_are(store: DuckDBSink) -> None:
    with pytest.raises(ConfigurationError, match="use tenant"):
        report(store, ["tenant; DROP TABLE entries"])


def test_empty_store_is_an_empty_report(tmp_path: Path) -> None:
    assert report(DuckDBSink(tmp_path / "new.duckdb"), ["tenant"]) == []


def test_page_is_whole_safe_and_asks_nobody(store: DuckDBSink, ledger: Ledger) -> None:
    text = page(store, ledger, lambda digest: True)
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
    assert "src=" not in text
    assert "url(" not in text
    assert "0.00986" in text  # the headline: the sum of all
    assert "unknown_model" in text
    assert "without a tenant" in text
    assert text.count("<details") == text.count("</details>")
    assert ledger.id in text


def test_page_of_nothing_says_so(tmp_path: Path) -> None:
    empty = Ledger(tmp_path / LEDGER_FILE)
    text = page(DuckDBSink(tmp_path / "new.duckdb"), empty, lambda digest: False)
    assert "Nothing metered yet" in text
    empty.close()


def test_page_of_a_span_shows_that_span(store: DuckDBSink, ledger: Ledger) -> None:
    from_us = microseconds("2026-11-18T12:00:00Z")
    text = page(store, ledger, lambda digest: False, Selection(from_us))
    assert "globex" not in text
    assert "acme" in text


class _Busy:
    """A store into which another process ships between any two queries."""

    def __init__(self, folder: Path, home: Path) -> None:
        shutil.copy(home / "charges.duckdb", folder)
        self._sink = DuckDBSink(folder / "charges.duckdb")
        opened = Ledger(home / LEDGER_FILE, readonly=True)
        self._entry, self._ledger_id = next(iter(opened.entries)), opened.id
        self._seq = opened.entries.last_seq()
        opened.close()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        found = self._sink.query(sql, parameters)
        self._seq += 1
        newer = self._entry._replace(
            seq=self._seq,
            occurred_us=self._entry.occurred_us + self._seq * 3_600_000_000,
            attribution=self._entry.attribution._replace(tenant=f"tenant-{self._seq}"),
        )
        self._sink.append(self._ledger_id, [newer])
        return found


def test_page_is_of_one_moment(
    store: DuckDBSink, ledger: Ledger, home: Path, tmp_path: Path
) -> None:
    quiet = page(store, ledger, lambda digest: True)
    busy = page(_Busy(tmp_path, home), ledger, lambda digest: True)
    assert _without_clock(busy) == _without_clock(quiet)


def _without_clock(text: str) -> str:
    return re.sub("Made [^ ]+ ", "", text)


def test_plot_stacks_to_the_total() -> None:
    bars = [Bar("a", {"x": Decimal(1), "y": Decimal(3)}), Bar("b", {})]
    drawn = plot(bars, {"x": "c0", "y": "c1"}, "USD")
    assert drawn.count("<rect") == 2
    assert "<title>a · y · 3</title>" in drawn
