"""Prices over time: steps from the book's dated rows, plotted without a word of markup from outside."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Final

import pytest

from otel_genai_cost.pricing.book import Price, Source
from otel_genai_cost.pricing.catalogue import history
from otel_genai_cost.pricing.cost import rate_of
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reports.price_steps import plot_prices, price_lines, rows_that_hold
from tests.ledger.build import BOOK

_NOW: Final = microseconds("2026-11-20T00:00:00Z")
_HOSTILE: Final = "</title><script>alert(1)</script>\u202e"


def _row(begin: str, end: str | None, price: str, number: int = 0, **more: object) -> Price:
    row = Price(
        id=f"p/m@{begin}#{number}",
        provider="p",
        model="m",
        currency="USD",
        valid_from_us=microseconds(f"{begin}T00:00:00Z"),
        valid_to_us=None if end is None else microseconds(f"{end}T00:00:00Z"),
        recorded_at_us=0,
        source=Source("s", _HOSTILE, "https://example.com/", "2026-01-01"),
        when={},
        rates={"input": rate_of(price, 1_000_000), "web_searches": rate_of("10", 1_000)},
    )
    return row._replace(**more)  # type: ignore[arg-type]


def test_steps_are_the_rows_that_hold() -> None:
    wrong = _row("2025-01-01", "2026-01-01", "9", 1)
    rows = [
        wrong,
        _row("2025-01-01", "2026-01-01", "5", 2, supersedes=wrong.id),
        _row("2025-01-01", None, "1", 3, when={"batch": True}),
        _row("2026-01-01", None, "3", 4),
    ]
    assert wrong not in rows_that_hold(rows)
    (line,) = price_lines(rows)
    assert [(step.price, step.to_us is None) for step in line.steps] == [("5", False), ("3", True)]
    assert line.leaf == "input", "searches are counted in other units"


def test_of_the_real_book() -> None:
    rows = history(BOOK, "openai", "gpt-4o-2024-08-06")
    lines = {line.leaf: line for line in price_lines(rows)}
    assert [step.price for step in lines["input"].steps] == ["2.5"]
    assert list(lines)[:2] == ["input", "output"]


@pytest.mark.parametrize("width", [920, 400])
def test_the_plot_is_sound_and_inert(width: int) -> None:
    rows = [
        _row("2025-01-01", "2025-06-01", "5", 1),
        _row("2025-06-01", "2025-09-01", "4", 2),
        _row("2026-01-01", None, "3", 3),
    ]
    svg = plot_prices(price_lines(rows), _NOW, _HOSTILE, width=width)
    root = ET.fromstring(svg)
    assert "<script" not in svg and "style=" not in svg
    (path,) = root.findall("path")
    drawn = path.get("d") or ""
    assert drawn.count("M") == 2, "nothing is drawn where nothing is known"
    assert drawn.count("V") == 1
    assert [dot.find("title") is not None for dot in root.findall("circle")] == [True] * 3
    texts = [text.text for text in root.findall("text")]
    assert {"2025-01-01", "2026-11-20"} <= set(texts)
    assert plot_prices([], _NOW, "nothing") == ""


def test_a_price_of_nothing_and_one_of_the_future_can_be_plotted() -> None:
    ET.fromstring(plot_prices(price_lines([_row("2027-01-01", None, "0")]), _NOW, "t"))
