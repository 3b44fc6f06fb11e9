"""The overview's budget line: of everything, in exactly the period that is shown."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pages.views import overview
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reports.tables import EXACT
from tests.cli.command import rows, run
from tests.cli.homes import home_of, seconds_of
from tests.ledger.build import observe, tenant
from tests.pages.views import ask, source_of

NOW_US: Final = microseconds("2098-11-25T00:00:00Z")
"""After whenever this runs: budgets hold from when they are set."""

_MONTH: Final = "from=2098-11-01&to=2098-12-01"
_BUDGETS: Final = """
schema = "otel-genai-cost-budgets/1"

[[budget]]
id = "everything"
scope = {}
period = "month"
currency = "USD"
hard = 0.1
side = "cost"

[[budget]]
id = "each"
scope = { tenant = "*" }
period = "month"
currency = "USD"
hard = 0.01
side = "cost"
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    begin = seconds_of("2098-11-20T10:00:00Z")
    home: Path = home_of(
        tmp_path_factory.mktemp("home"),
        [
            observe(n, trace=n, start_s=begin, end_s=begin + n, attribution=tenant(f"t{n}"))
            for n in range(1, 5)
        ],
    )
    (home / "budgets.toml").write_text(_BUDGETS, encoding="utf-8")
    done = run("budgets", "set", "--file", str(home / "budgets.toml"), "--ledger", str(home))
    assert done.returncode == 0, done.stderr
    with source_of(home) as opened:
        yield opened._replace(clock_us=lambda: NOW_US)


def test_it_says_how_much_of_it_is_spent_and_what_each_day_may_take(source: Source) -> None:
    view = ask(source, overview.view, f"{_MONTH}&unit=day")
    (whole,) = rows(
        *("report", "--by", "service", "--json", "--from", "2098-11-01", "--to", "2098-12-01"),
        *("--ledger", str(source.folder)),
    )
    (one,) = view.values["sums"]
    (line,) = one.budgets
    assert (line.id, line.limit, line.currency) == ("everything", Decimal("0.1"), "USD")
    assert line.booked == Decimal(whole["at_least"]) > 0
    assert line.share == line.booked * 10
    (chart,) = view.values["charts"]
    assert chart.target == EXACT.divide(Decimal("0.1"), Decimal(30))
    assert one.forecast == EXACT.divide(line.booked * 30, Decimal(24))


@pytest.mark.parametrize(
    "asked", [f"{_MONTH}&tenant=t3", "from=2098-11-02&to=2098-12-01", "period=all"]
)
def test_there_is_none_of_a_part_of_the_calls_or_of_another_time(
    source: Source, asked: str
) -> None:
    assert [one.budgets for one in ask(source, overview.view, asked).values["sums"]] == [()]


def test_who_may_not_see_everything_is_told_none(source: Source) -> None:
    seen = ask(source, overview.view, _MONTH, Viewer("finance", ("t3",)))
    assert [one.budgets for one in seen.values["sums"]] == [()]
