"""What actions come to, kept: with what is new beside it, reports are those of the entries, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pages.figures import Figures, Reading
from otel_genai_cost.pages.kept_parts import KeptParts
from otel_genai_cost.pricing.instants import zone_of
from otel_genai_cost.reports.action_costs import action_costs
from otel_genai_cost.reports.actions import actions_and_sums
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_exporters.duckdb import DuckDBSink
from tests.ledger.build import observe, tenant
from tests.reports.fixture import make_home

ASKED = [
    (["tenant"], EVERYTHING),
    (["model"], EVERYTHING._replace(side="price")),
    (["feature"], EVERYTHING._replace(tenants=("acme", "new"))),
    (["day", "model"], Selection(zone=zone_of("Asia/Kathmandu"))),
]


def _book(home: Path, n: int, who: str, **more: Any) -> None:
    """Two calls of an action that others share the name of."""
    journal = Journal([home / "journal"])
    for number in (2 * n, 2 * n + 1):
        at_s = 20_000 + 977 * number
        whose = tenant(who, action=f"act-{number % 3}", feature=f"f{number % 2}")
        journal.append(
            to_record(
                observe(
                    number, trace=number, start_s=at_s, end_s=at_s + 1, attribution=whose, **more
                )
            )
        )
    journal.close()
    ship(home, [home / "journal"], drain=True, sinks=[DuckDBSink(home / "charges.duckdb")])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path)


@pytest.fixture
def figures(home: Path) -> Iterator[Figures]:
    with closing(Figures(home)) as opened:
        opened.refresh()
        yield opened


def _same(home: Path, reading: Reading, kept: KeptParts) -> None:
    def parts_of(by: Any, selection: Selection, first: int) -> Any:
        return kept.parts(reading, by, selection, first)

    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        for by, selection in ASKED:
            anew = actions_and_sums(reading, ledger, by, selection)
            assert actions_and_sums(reading, ledger, by, selection, parts_of=parts_of) == anew
            assert anew[0]
            dear = action_costs(reading, selection, 5)
            assert action_costs(reading, selection, 5, parts_of) == dear


@pytest.mark.parametrize("since_max", [1_000, 1])
def test_what_is_new_counts_beside_what_is_kept(
    home: Path, figures: Figures, since_max: int
) -> None:
    kept = KeptParts(since_max=since_max)
    for n in range(60, 66):
        _book(home, n, "acme" if n % 2 else "new", error="timeout" if n % 3 == 0 else None)
        assert figures.refresh()
        with closing(figures.reading()) as reading:
            _same(home, reading, kept)
    with closing(figures.reading()) as reading:
        assert kept.names <= reading.kept()


def test_an_older_reading_has_its_own(home: Path, figures: Figures) -> None:
    kept = KeptParts()
    _book(home, 60, "acme")
    figures.refresh()
    with closing(figures.reading()) as older:
        older.position()
        _book(home, 61, "new")
        figures.refresh()
        with closing(figures.reading()) as newer:
            _same(home, newer, kept)
        _same(home, older, kept)
    with closing(figures.reading()) as newest:
        _same(home, newest, kept)


def test_what_was_asked_for_longest_ago_goes(home: Path, figures: Figures) -> None:
    _book(home, 60, "acme")
    figures.refresh()
    figures.parts = KeptParts(rows_max=60)
    for since in range(40):
        with closing(figures.reading()) as reading:
            asked = EVERYTHING._replace(from_us=since)
            assert figures.parts.parts(reading, ["tenant"], asked, 1).parameters == []
    with closing(figures.reading()) as reading:
        assert len(reading.kept()) == 40 > len(figures.parts.names) > 1
        figures.refresh()
        _same(home, reading, figures.parts)
    figures.refresh()
    with closing(figures.reading()) as reading:
        assert reading.kept() == figures.parts.names


def test_after_one_that_was_cancelled_it_is_asked_as_before(home: Path, figures: Figures) -> None:
    kept = KeptParts()
    reading = figures.reading()
    kept.parts(reading, ["tenant"], EVERYTHING, 1)
    reading.cancel()
    with pytest.raises(GenAICostError):
        reading.query("SELECT 1")
    reading.close()
    with closing(figures.reading()) as after:
        _same(home, after, kept)
