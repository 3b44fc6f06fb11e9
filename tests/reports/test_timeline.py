"""Cost over time: bars without a hole, in one order, whatever the clock does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from otel_genai_cost.ledger.sink import Rows
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reports.html import page
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import Extent, rounded
from otel_genai_cost.reports.timeline import Timeline, timelines
from otel_genai_cost.reports.trend import Bar, plot
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import days


class _Quiet:
    """A store that has nothing but the first and the last call, at these instants."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        epoch = datetime(1970, 1, 1)  # noqa: DTZ001 -- stores answer in UTC without a zone
        rows = [
            (
                epoch + timedelta(microseconds=microseconds(key)),
                "acme",
                1,
                1,
                0,
                0,
                Decimal(1),
                "USD",
            )
            for key in self._keys
        ]
        return Rows((), rows)


def _bars(first: str, last: str, zone: str, *keys: str) -> Timeline:
    extent = Extent(2, microseconds(first), microseconds(last))
    where = timezone.utc if zone == "UTC" else ZoneInfo(zone)
    (found,) = timelines(_Quiet(*keys), {"acme": "acme"}, extent, Selection(zone=where))
    return found


@pytest.mark.parametrize(
    ("first", "last", "unit", "bars"),
    [
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:20Z", "second", 21),
        ("2026-11-20T10:00:00Z", "2026-11-20T10:30:00Z", "minute", 31),
        ("2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z", "hour", 25),
        ("2026-10-18T10:00:00Z", "2026-11-28T10:00:00Z", "day", 42),
        ("2026-06-01T10:00:00Z", "2026-11-28T10:00:00Z", "week", 26),
        ("2024-01-31T10:00:00Z", "2026-11-28T10:00:00Z", "month", 35),
        ("1999-12-31T10:00:00Z", "2026-11-28T10:00:00Z", "year", 28),
    ],
)
def test_the_finest_unit_that_can_be_read(first: str, last: str, unit: str, bars: int) -> None:
    begin = {"day": "2026-10-18", "week": "2026-06-01", "month": "2024-01-01", "year": "1999-01-01"}
    found = _bars(first, last, "UTC", f"{begin[unit]}T00:00:00Z" if unit in begin else first)
    assert (found.unit, len(found.bars)) == (unit, bars)


@pytest.mark.parametrize(
    ("first", "last", "zone", "begin", "bars"),
    [
        (
            "2026-10-24T22:30:00Z",
            "2026-10-25T22:30:00Z",
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            25,
        ),
        (
            "2026-03-28T23:30:00Z",
            "2026-03-29T21:30:00Z",
            "Europe/Berlin",
            "2026-03-29T01:00:00Z",
            23,
        ),
        (
            "2026-10-01T10:00:00Z",
            "2026-11-10T10:00:00Z",
            "Europe/Berlin",
            "2026-10-24T22:00:00Z",
            41,
        ),
        (
            "2026-11-20T10:00:00Z",
            "2026-11-21T10:00:00Z",
            "Asia/Kolkata",
            "2026-11-20T18:30:00Z",
            25,
        ),
        (
            "2026-04-04T12:00:00Z",
            "2026-04-05T06:00:00Z",
            "Australia/Lord_Howe",
            "2026-04-04T14:30:00Z",
            19,
        ),
    ],
)
def test_no_stretch_is_left_out_or_doubled(
    first: str, last: str, zone: str, begin: str, bars: int
) -> None:
    """`begin` is when a stretch of that zone begins, as the store answers it."""
    assert len(_bars(first, last, zone, begin).bars) == bars


def test_every_bar_is_stacked_in_the_order_of_the_legend() -> None:
    one, two = Decimal(1), Decimal(2)
    bars = [
        Bar("a", {"x": one, "y": two, "others": one}),
        Bar("b", {"others": one, "y": one, "x": two}),
    ]
    drawn = plot(bars, {"x": "c0", "y": "c1", "others": "c7"}, "USD")
    assert re.findall(r'<rect class="(\w+)"', drawn) == ["c0", "c1", "c7"] * 2


def test_the_last_bar_is_always_named() -> None:
    for count in range(1, 49):
        for width in (400, 920):
            drawn = plot([Bar(f"bar-{n}", {}) for n in range(count)], {}, "USD", width=width)
            named = re.findall(r">bar-(\d+)<", drawn)
            assert int(named[-1]) == count - 1
            assert len(named) <= width // 100


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("26.918273645", "26.92"),
        ("1234567.005", "1,234,567.00"),
        ("0.00483501", "0.00484"),
        ("0.5", "0.500"),
        ("0.000000000000000001", "0.00000000000000000100"),
        ("-3.14159", "-3.14"),
        ("0", "0"),
    ],
)
def test_a_headline_is_rounded(amount: str, shown: str) -> None:
    assert rounded(Decimal(amount)) == shown


def _page(folder: Path, calls: int) -> str:
    home = days(folder, calls)
    ledger = Ledger(home / "ledger.sqlite", readonly=True)
    try:
        return page(DuckDBSink(home / "charges.duckdb"), ledger, lambda digest: False)
    finally:
        ledger.close()


def test_a_phone_shows_the_latest_days(tmp_path: Path) -> None:
    text = _page(tmp_path, 42)
    narrow = text[text.index('class="plot trend phone"') :].partition("</svg>")[0]
    assert "11-28 ·" in narrow
    assert "11-19 ·" in narrow
    assert "11-18 ·" not in narrow
    assert "the latest 10 of 42, by day" in text


def test_the_exact_figure_stands_beside_the_headline(tmp_path: Path) -> None:
    text = _page(tmp_path, 7)
    assert re.search(r"<h1>0\.0245 <small>USD</small></h1>", text), "nothing was rounded off"
    text = _page(tmp_path / "more", 401)
    assert re.search(r"<h1>1\.40 <small>USD</small><small.*?>exactly 1\.4035</small></h1>", text)
