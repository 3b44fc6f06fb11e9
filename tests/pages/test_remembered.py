"""Reports that were made before: with what is new added, they are what is made anew, to the last digit."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.pages.figures import Figures
from otel_genai_cost.pages.remembered import Remembered
from otel_genai_cost.pricing.instants import zone_of
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.sums import Summed, Sums, added, ordered
from otel_genai_cost.reports.tables import report
from otel_genai_exporters.duckdb import DuckDBSink
from tests.ledger.build import observe, tenant
from tests.reports.fixture import make_home

ASKED = [
    (["tenant"], EVERYTHING, True),
    (["tenant"], EVERYTHING._replace(side="price"), False),
    (["reason", "provider", "model"], EVERYTHING, False),
    (["day", "tenant"], Selection(zone=zone_of("Asia/Kathmandu")), False),
    (["hour"], Selection(zone=zone_of("Europe/Berlin"), tenants=("acme", "new")), True),
    (["absent"], EVERYTHING, False),
    (["quality"], EVERYTHING._replace(features=("-",)), False),
]


def _call(home: Path, n: int, who: str | None, model: str) -> None:
    journal = Journal([home / "journal"])
    attributed = {} if who is None else {"attribution": tenant(who)}
    at_s = 10_000 + 977 * n
    journal.append(
        to_record(
            observe(n, trace=n, start_s=at_s, end_s=at_s + 1, model=model, **attributed)  # type: ignore[arg-type]
        )
    )
    journal.close()
    ship(home, [home / "journal"], drain=True, sinks=[DuckDBSink(home / "charges.duckdb")])


def test_what_is_new_is_added_to_what_was_known(tmp_path: Path) -> None:
    home, random = make_home(tmp_path), Random(3)
    kept = Remembered()
    with closing(Figures(home)) as figures:
        for n in range(40, 46):
            assert figures.refresh()
            assert not figures.refresh()
            with closing(figures.reading()) as reading:
                for by, selection, by_cost in ASKED:
                    anew = report(reading, by, selection, by_cost=by_cost)
                    assert kept.report(reading, by, selection, by_cost=by_cost) == anew
            who = random.choice(["acme", "new", "globex", None])
            _call(home, n, who, random.choice(["gpt-4o-2024-08-06", "house-model", "other"]))


def test_an_older_reading_is_not_shown_what_came_after_it(tmp_path: Path) -> None:
    home, kept = make_home(tmp_path), Remembered()
    with closing(Figures(home)) as figures:
        figures.refresh()
        with closing(figures.reading()) as older:
            before = report(older, ["tenant"])
            _call(home, 50, "new", "gpt-4o-2024-08-06")
            figures.refresh()
            with closing(figures.reading()) as newer:
                after = kept.report(newer, ["tenant"], EVERYTHING)
            assert kept.report(older, ["tenant"], EVERYTHING) == before != after
            with closing(figures.reading()) as newer:
                assert kept.report(newer, ["tenant"], EVERYTHING) == after


def test_only_so_many_rows_are_kept(tmp_path: Path) -> None:
    home, kept = make_home(tmp_path), Remembered(rows_max=4)
    with closing(Figures(home)) as figures:
        figures.refresh()
        with closing(figures.reading()) as reading:
            for by in (["tenant"], ["model"], ["hour"], ["tenant"]):
                assert kept.report(reading, by, EVERYTHING) == report(reading, by)
    assert sum(len(one.sums) for one in kept._known.values()) <= 4


def test_a_group_that_came_to_nothing_counts_again_with_what_comes_later() -> None:
    one: Sums = {
        ("acme", "USD"): Summed(0, 0, 0, 0, Decimal(0)),
        ("b", "USD"): Summed(1, 1, 0, 0, None),
    }
    more: Sums = {("acme", "USD"): Summed(1, 0, 1, 1, Decimal("0.000000000000000001"))}
    assert [key for key, _ in ordered(one, by_cost=False)] == [("b", "USD")]
    assert added(one, more)["acme", "USD"] == (1, 0, 1, 1, Decimal("1E-18"))
    assert one["acme", "USD"].calls == 0


@pytest.mark.parametrize("by_cost", [True, False])
def test_the_order_is_that_of_the_store(tmp_path: Path, by_cost: bool) -> None:
    """Nothing last, by value and by amount; text by its characters."""
    home = make_home(tmp_path)
    with closing(Figures(home)) as figures:
        figures.refresh()
        with closing(figures.reading()) as reading:
            order = "currency, amount DESC, 1" if by_cost else "1, currency"
            rows = reading.query(
                "SELECT tenant, currency, CAST(sum(amount) AS DECIMAL(38, 18)) AS amount FROM entries GROUP BY ALL "
                f"HAVING sum(calls) <> 0 OR sum(amount) <> 0 ORDER BY {order}"
            ).rows
            found = report(reading, ["tenant"], by_cost=by_cost)
    assert [(one.keys["tenant"], one.currency) for one in found] == [row[:2] for row in rows]


def test_some_groups_of_a_report_are_those_of_all(tmp_path: Path) -> None:
    home, kept = make_home(tmp_path), Remembered()
    with closing(Figures(home)) as figures:
        figures.refresh()
        with closing(figures.reading()) as reading:
            every = kept.report(reading, ["hour", "tenant"], EVERYTHING, by_cost=True)
            some = kept.report(
                reading, ["hour", "tenant"], EVERYTHING, by_cost=True, among=["acme", None]
            )
    assert some == [one for one in every if one.keys["tenant"] in ("acme", None)]
    assert 0 < len(some) < len(every)
