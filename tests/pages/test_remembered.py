"""Reports that were made before: with what is new added, they are what is made anew, to the last digit."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.pages.figures import Figures
from otel_genai_cost.pages.remembered import Remembered
from otel_genai_cost.pricing.instants import zone_of
from otel_genai_cost.reports.caching import cache_sums
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.sums import Summed, Sums, added, ordered, plus
from otel_genai_cost.reports.tables import report
from otel_genai_cost.reports.unit_costs import UNITS_BY, tokens_by
from otel_genai_exporters.duckdb import DuckDBSink
from tests.ledger.build import observe, tenant
from tests.reports.fixture import make_home
from tests.statements.ledgers import book, entry

ASKED = [
    (["tenant"], EVERYTHING, True),
    (["tenant"], EVERYTHING._replace(side="price"), False),
    (["reason", "provider", "model"], EVERYTHING, False),
    (["day", "tenant"], Selection(zone=zone_of("Asia/Kathmandu")), False),
    (["hour"], Selection(zone=zone_of("Europe/Berlin"), tenants=("acme", "new")), True),
    (["absent"], EVERYTHING, False),
    (["quality"], EVERYTHING._replace(features=("-",)), False),
]


def _call(
    home: Path, n: int, who: str | None, model: str, parts: dict[str, int] | None = None
) -> None:
    journal = Journal([home / "journal"])
    attributed: dict[str, Any] = {} if who is None else {"attribution": tenant(who)}
    attributed["parts"] = parts
    at_s = 10_000 + 977 * n
    journal.append(
        to_record(observe(n, trace=n, start_s=at_s, end_s=at_s + 1, model=model, **attributed))
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


def test_tokens_and_caches_are_added_to_as_well(tmp_path: Path) -> None:
    home, kept = make_home(tmp_path), Remembered()
    zone = EVERYTHING._replace(zone=zone_of("Asia/Kathmandu"))
    with closing(Figures(home)) as figures:
        for n in range(40, 44):
            assert figures.refresh()
            with closing(figures.reading()) as reading:
                for selection in (zone, EVERYTHING._replace(tenants=("acme",), side="price")):
                    for by in (["day"], [*UNITS_BY]):
                        anew = tokens_by(reading, by, selection)
                        assert kept.tokens(reading, by, selection) == anew
                    assert kept.caches(reading, selection) == cache_sums(reading, selection)
            _call(home, n, "acme" if n % 2 else "new", "gpt-4o-2024-08-06", {"cache_read": n})


def test_of_a_ledger_that_was_put_back_nothing_is_remembered(tmp_path: Path) -> None:
    path, at = tmp_path / LEDGER_FILE, "2026-10-05T00:00:00Z"
    book(tmp_path, [entry(1, "acme", at)])
    before = path.read_bytes()
    book(tmp_path, [entry(n, "acme", at) for n in (2, 3)])
    with closing(Figures(tmp_path)) as figures:
        for put_back, later in ((True, ()), (False, (4, 5, 6))):
            figures.refresh()
            with closing(figures.reading()) as reading:
                figures.sums.report(reading, ["tenant"], EVERYTHING)
                figures.parts.parts(reading, ["tenant"], EVERYTHING, 1)
            if put_back:
                for file in tmp_path.glob(f"{LEDGER_FILE}*"):
                    file.unlink()
                path.write_bytes(before)
            book(tmp_path, [entry(n, "globex", at) for n in later])
        figures.refresh()
        with closing(figures.reading()) as reading:
            anew = report(reading, ["tenant"], EVERYTHING)
            assert [(one.keys["tenant"], one.calls) for one in anew] == [("acme", 1), ("globex", 3)]
            assert figures.sums.report(reading, ["tenant"], EVERYTHING) == anew
            parts = figures.parts.parts(reading, ["tenant"], EVERYTHING, 1)
            rows = reading.query(f"SELECT tenant, calls FROM ({parts.sql})", parts.parameters).rows
            assert Counter(tenant for tenant, _ in rows) == {"acme": 1, "globex": 3}


def test_what_takes_the_place_of_everything_else_is_not_kept(tmp_path: Path) -> None:
    home, kept = make_home(tmp_path), Remembered(rows_max=8)
    with closing(Figures(home)) as figures:
        figures.refresh()
        with closing(figures.reading()) as reading:
            few = kept.sums(reading, ["provider"], EVERYTHING)
            many = kept.sums(reading, ["minute", "tenant", "model"], EVERYTHING)
            assert len(few) <= 2 < len(many)
            assert kept.sums(reading, ["provider"], EVERYTHING) is few
            assert kept.sums(reading, ["minute", "tenant", "model"], EVERYTHING) == many
    assert [known.sums for known in kept._known.values()] == [few]


def test_a_file_of_an_older_version_is_filled_again(tmp_path: Path) -> None:
    """One that has no table of what was corrected."""
    home = make_home(tmp_path)
    with closing(Figures(home)) as figures:
        figures.refresh()
    with duckdb.connect(str(home / "pages.duckdb")) as db:
        before = db.execute("SELECT * FROM entries ORDER BY seq").fetchall()
        db.execute("DROP TABLE corrected")
    with closing(Figures(home)) as figures:
        assert figures.refresh()
        with closing(figures.reading()) as reading:
            assert reading.query("SELECT * FROM entries ORDER BY seq").rows == before
            assert reading.query("SELECT count(*) FROM corrected").rows == [(0,)]


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
    home, kept = make_home(tmp_path), Remembered(rows_max=40)
    with closing(Figures(home)) as figures:
        figures.refresh()
        with closing(figures.reading()) as reading:
            for since in range(30):
                asked = EVERYTHING._replace(from_us=since)
                assert kept.report(reading, ["tenant"], asked) == report(reading, ["tenant"], asked)
    assert len(kept._known.values()) < 30
    assert 20 < sum(len(one.sums) for one in kept._known.values()) <= 40


def test_a_group_that_came_to_nothing_counts_again_with_what_comes_later() -> None:
    one: Sums = {
        ("acme", "USD"): Summed(0, 0, 0, 0, Decimal(0)),
        ("b", "USD"): Summed(1, 1, 0, 0, None),
    }
    more: Sums = {("acme", "USD"): Summed(1, 0, 1, 1, Decimal("0.000000000000000001"))}
    assert [key for key, _ in ordered(one, by_cost=False)] == [("b", "USD")]
    assert added(one, more, plus)["acme", "USD"] == (1, 0, 1, 1, Decimal("1E-18"))
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
