"""The page in a real browser: on a desk and on a phone, in light and in dark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.margin import margin_if_known
from otel_genai_cost.reports.html import page
from otel_genai_cost.reports.revenue.files import read_revenue
from otel_genai_cost.reports.revenue.store import keep_revenue
from otel_genai_cost.reports.selection import EVERYTHING
from tests.cli.homes import days
from tests.reports.browser import DESK, PHONE, dom, require_browser, screenshot
from tests.reports.fixture import HOSTILE, make_home
from tests.reports.margin_home import make_margin

pytestmark = pytest.mark.service

_PROBE = """
<script>addEventListener("load", () => {
  document.querySelectorAll("details").forEach(each => { each.open = true; });
  const wide = [...document.querySelectorAll("body *")].filter(each =>
    each.getBoundingClientRect().right > innerWidth + 1 );
  const told = {
    overflow: document.documentElement.scrollWidth - innerWidth,
    wide: wide.slice(0, 5).map(each => each.outerHTML.slice(0, 120)),
    requests: performance.getEntriesByType("resource").length,
    bars: document.querySelectorAll("svg.trend rect").length,
    latest: (() => {
      const seen = [...document.querySelectorAll("svg.trend rect")].filter(each => each.getBoundingClientRect().width);
      const last = seen[seen.length - 1].getBoundingClientRect();
      return [seen[seen.length - 1].textContent, last.left >= 0 && last.right <= innerWidth];
    })(),
    details: document.querySelectorAll("details").length,
    sections: [...document.querySelectorAll("h2")].map(each => each.textContent),
    across: [...document.querySelectorAll("svg.plot:not(.trend)")]
      .filter(each => each.getBoundingClientRect().width).length,
    background: getComputedStyle(document.body).backgroundColor,
    text: getComputedStyle(document.body).color,
    alerts: document.querySelectorAll("script").length,
  };
  document.title = "probe:" + JSON.stringify(told);
});</script>
"""


def _look(
    folder: Path,
    size: tuple[int, int],
    *,
    dark: bool,
    make: Callable[[Path], Path] = make_home,
) -> dict[str, Any]:
    """What the browser makes of the page of the test's ledger, with every row opened."""
    require_browser()
    home = Home.at(make(folder))
    text = page(
        home.store(),
        home.ledger(),
        home.has_book(),
        margin_of=lambda until_seq: margin_if_known(home, EVERYTHING, until_seq),
    )
    looked_at = folder / "page.html"
    looked_at.write_text(text.replace("</body>", _PROBE + "</body>"), encoding="utf-8")
    found = re.search(r"<title>probe:(.*?)</title>", dom(looked_at, size, dark=dark), re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found.group(1).replace("&lt;", "<").replace("&gt;", ">"))
    return told


def _with_margin(folder: Path) -> Path:
    """A ledger of tenants with revenue, two of whom lose money."""
    made = make_margin(folder, tenants=9, losers=2)
    revenue = folder / "revenue.csv"
    revenue.write_text(made.csv, encoding="utf-8")
    found = read_revenue([revenue], "csv", lambda vendor, name: None)
    assert not found.problems
    keep_revenue(folder, found.rows, 0)
    return folder


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_margin_and_actions_fit(tmp_path: Path, size: tuple[int, int], dark: bool) -> None:
    told = _look(tmp_path, size, dark=dark, make=_with_margin)
    assert told["overflow"] <= 0, told["wide"]
    assert not told["wide"]
    assert told["sections"] == ["Over time", "Tenants", "Margin", "Actions", "Models", "Features"]
    assert told["across"] == 2, "a plot of margin and one of actions, as wide as the reader's page"


def _brightness(colour: str) -> float:
    parts: Sequence[str] = re.findall(r"[\d.]+", colour)
    return sum(float(part) for part in parts[:3]) / 3


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_fits_its_reader(tmp_path: Path, size: tuple[int, int], dark: bool) -> None:
    told = _look(tmp_path, size, dark=dark)
    assert told["overflow"] <= 0, told["wide"]
    assert told["wide"] == []
    assert told["requests"] == 0
    assert told["bars"] >= 2 and told["details"] >= 6
    contrast = _brightness(told["text"]) - _brightness(told["background"])
    assert contrast > 120 if dark else contrast < -120


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_today_is_in_sight(tmp_path: Path, size: tuple[int, int]) -> None:
    told = _look(tmp_path, size, dark=False, make=lambda folder: days(folder, 42))
    text, visible = told["latest"]
    assert text.startswith("11-28 ·")
    assert visible
    assert told["overflow"] <= 0


def test_a_hostile_name_stays_text(tmp_path: Path) -> None:
    told = _look(tmp_path, DESK, dark=False)
    assert told["alerts"] == 1, f"only the probe's own script, not {HOSTILE}"


def test_screenshot_is_a_picture(tmp_path: Path) -> None:
    require_browser()
    (tmp_path / "page.html").write_text("<p>a page</p>", encoding="utf-8")
    screenshot(tmp_path / "page.html", tmp_path / "page.png", PHONE)
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
