"""What tenants have spent, as gauges: bounded, exact up to doubles, and nothing in a name that breaks the text."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.intake.spent_figures import SpentFigures
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.tenancy.attribution import Attribution
from tests.gate.opened import post
from tests.ledger.build import START_US, observe, tenant

_DAY_US: Final = 86_400_000_000
_HOSTILE: Final = 'a"} 1\nb\\'


def _figures(home: Path, tenants_max: int, now_us: int = START_US) -> dict[str, float]:
    text = "".join(SpentFigures(home, tenants_max, lambda: now_us).figures())
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def _price(*tokens: int) -> float:
    """Of calls with so many tokens in, at 2.50 and 10 a million."""
    return sum(250 * n + 100_000 for n in tokens) / 10**8


def _spent(figures: dict[str, float], period: str) -> dict[str, float]:
    return {
        name.partition('tenant_id="')[2].partition('",')[0]: value
        for name, value in figures.items()
        if f'period="{period}"' in name and "ledger_spent{" in name
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """acme: 3 of today; globex: 2, one of yesterday; one each of nobody and of a name that bites."""
    whose = [tenant("acme")] * 3 + [tenant("globex")] * 2 + [Attribution(), tenant(_HOSTILE)]
    calls = [
        observe(
            number,
            trace=number,
            start_s=-86_400 if number == 4 else 0,
            end_s=-86_399 if number == 4 else 1,
            tokens=(1_000 - number, 100),
            attribution=one,
        )
        for number, one in enumerate(whose)
    ]
    post(tmp_path, *calls)
    return tmp_path


def test_the_greatest_are_shown_and_all_others_together(home: Path) -> None:
    found = _figures(home, 2)
    month, day = _spent(found, "month"), _spent(found, "day")
    assert month.keys() == day.keys() == {"acme", "globex", "other"}
    assert month["acme"] == pytest.approx(_price(1_000, 999, 998), rel=1e-15)
    assert month["globex"] == pytest.approx(_price(997, 996), rel=1e-15)
    assert day["globex"] == pytest.approx(_price(997), rel=1e-15)
    assert month["other"] == day["other"] == pytest.approx(_price(995, 994), rel=1e-15)
    (other,) = (name for name in found if 'period="month"' in name and "overflow" in name)
    assert 'otel_metric_overflow="true"' in other and 'genai_cost_currency="USD"' in other


def test_no_name_breaks_the_text(home: Path) -> None:
    found = _figures(home, 100)
    assert _spent(found, "month").keys() == {"acme", "globex", "", 'a\\"} 1\\nb\\\\'}
    assert len(found) == 2 * 4 + 4


def test_a_month_begins_at_nothing(home: Path) -> None:
    assert _spent(_figures(home, 2, START_US + 32 * _DAY_US), "month") == {}


def test_what_is_forgotten_is_never_of_this_month(home: Path) -> None:
    """The hours of what was spent are kept for longer than a month is."""
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.spending.forget(START_US // 3_600_000_000 - 31 * 24)
    assert _spent(_figures(home, 2), "month")["acme"] > 0


def test_without_a_ledger_nothing_is_said(tmp_path: Path) -> None:
    assert _figures(tmp_path, 5) == {}
