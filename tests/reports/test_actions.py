"""The cost of actions equals the traces that they are, and what SQL of its own says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import divide_half_even, format_money, parse_money
from otel_genai_cost.reports.actions import nearest_rank, share_text
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.troubled import troubled
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import held, home_of, seconds_of
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant
from tests.reports.actions_home import make_actions

_ACTIONS = 150

_SQL = """
WITH each AS (
    SELECT tenant, "action", sum(amount) AS cost, sum(calls) AS calls, sum(unpriced) AS unpriced
    FROM entries GROUP BY tenant, "action"
), ranked AS (
    SELECT tenant, cost, row_number() OVER (PARTITION BY tenant ORDER BY cost) AS place,
           count(*) OVER (PARTITION BY tenant) AS n
    FROM each WHERE unpriced = 0
)
SELECT tenant,
       (SELECT CAST(count(*) AS BIGINT) FROM each WHERE each.tenant = ranked.tenant),
       (SELECT sum(cost) FROM each WHERE each.tenant = ranked.tenant),
       min(CASE WHEN place * 100 >= n * 50 THEN cost END),
       min(CASE WHEN place * 100 >= n * 95 THEN cost END)
FROM ranked GROUP BY tenant ORDER BY tenant
"""


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, list[Observation]]]:
    folder, observed = make_actions(tmp_path_factory.mktemp("actions"), _ACTIONS)
    with held(folder):
        yield folder, observed


def _by_trace(found: list[Observation]) -> dict[str, dict[str, list[int]]]:
    """Tenant -> trace -> what each of its calls cost, as the spans say."""
    costs: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        costs[str(one.attribution.tenant)][one.trace_id].append(one.cost.total or 0)
    return costs


def test_actions_equal_their_traces(
    made: tuple[Path, list[Observation]], capsys: pytest.CaptureFixture[str]
) -> None:
    home, observed = made
    rows = {row["tenant"]: row for row in rows_of(capsys, "actions", "--ledger", str(home))}
    traces = _by_trace(observed)
    assert rows.keys() == traces.keys()
    for name, each in traces.items():
        row, sums = rows[name], sorted(map(sum, each.values()))
        assert row["actions"] == row["priced_actions"] == len(sums)
        assert row["calls"] == sum(map(len, each.values()))
        assert parse_money(row["total"]) == sum(sums)
        assert parse_money(row["mean"]) == divide_half_even(sum(sums), len(sums))
        assert parse_money(row["p50"]) == sums[-(-len(sums) // 2) - 1]
        assert parse_money(row["p95"]) == sums[-(-len(sums) * 95 // 100) - 1]
        counts = sorted(map(len, each.values()))
        assert row["calls_p95"] == counts[-(-len(counts) * 95 // 100) - 1]


def test_each_action_is_a_row_where_it_is_asked_for(
    made: tuple[Path, list[Observation]], capsys: pytest.CaptureFixture[str]
) -> None:
    home, observed = made
    rows = rows_of(capsys, "actions", "--by", "tenant,action", "--ledger", str(home))
    found = {(row["tenant"], row["action"]): parse_money(row["total"]) for row in rows}
    assert found == {
        (name, trace): sum(costs)
        for name, each in _by_trace(observed).items()
        for trace, costs in each.items()
    }
    assert {row["p50"] == row["p95"] == row["mean"] == row["total"] for row in rows} == {True}


def test_sql_of_its_own_agrees(
    made: tuple[Path, list[Observation]], capsys: pytest.CaptureFixture[str]
) -> None:
    home, _ = made
    theirs = DuckDBSink(home / "charges.duckdb").query(_SQL).rows
    ours = sorted(
        rows_of(capsys, "actions", "--ledger", str(home)), key=lambda row: str(row["tenant"])
    )
    assert [
        (row["tenant"], row["actions"], *(parse_money(row[key]) for key in ("total", "p50", "p95")))
        for row in ours
    ] == [(name, n, *(parse_money(amount) for amount in rest)) for name, n, *rest in theirs]


def _wasted(found: list[Observation]) -> Iterator[tuple[str, int]]:
    for one in found:
        reading = one.reading
        kind = "failed" if reading.error else "retried" if reading.attempts > 1 else "fallback"
        if reading.error or reading.attempts > 1 or reading.model_asked:
            yield kind, one.cost.total or 0


def test_wasted_is_what_was_troubled(
    made: tuple[Path, list[Observation]], capsys: pytest.CaptureFixture[str]
) -> None:
    home, observed = made
    rows = rows_of(capsys, "actions", "--by", "operation", "--ledger", str(home))
    (row,) = rows
    by_kind: dict[str, list[int]] = defaultdict(list)
    for kind, cost in _wasted(observed):
        by_kind[kind].append(cost)
    # A call of the other model within a minute after one that failed has fallen back as well.
    assert row["failed"] == len(by_kind["failed"])
    assert row["retried"] == len(by_kind["retried"])
    assert row["fallback"] > len(by_kind["fallback"])
    assert parse_money(row["failed_cost"]) == sum(by_kind["failed"])
    assert parse_money(row["retried_cost"]) == sum(by_kind["retried"])
    parts = [parse_money(row[f"{kind}_cost"]) for kind in ("failed", "retried", "fallback")]
    assert parse_money(row["wasted"]) == sum(parts)
    share = Fraction(sum(parts), parse_money(row["total"]))
    assert abs(Fraction(row["wasted_share"]) - share) <= Fraction(1, 2_000_000)


def test_of_a_part_of_the_time_the_same_calls_fell_back(
    made: tuple[Path, list[Observation]],
) -> None:
    """Wherever it is cut: also between a call that failed and the one that was made in its place."""
    home, _ = made
    store = DuckDBSink(home / "charges.duckdb")
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        readings = list(ledger.observations.troubled())
        ends = {one.charge_id: one.occurred_us for one in ledger.entries}
    whole = troubled(store, readings)
    fell_back = [one for one, trouble in whole.items() if trouble == "fallback"]
    assert len(fell_back) > 20
    for charge_id in fell_back[:10]:
        first = Selection(ends[charge_id], ends[charge_id] + 1)
        assert troubled(store, readings, selection=first)[charge_id] == "fallback"
    half = Selection(None, ends[fell_back[10]])
    found = troubled(store, readings, selection=half)
    assert {one for one in found if ends[one] < (half.to_us or 0)} == {
        one for one in whole if ends[one] < (half.to_us or 0)
    }


def test_features_have_their_part_of_an_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two calls of one trace, a feature each; and one whose price nobody knows, in a trace of its own."""
    rows = [
        observe(1, trace=7, attribution=tenant("acme", feature="draft")),
        observe(2, trace=7, attribution=tenant("acme", feature="search"), response_id="b"),
        observe(3, trace=8, attribution=tenant("acme", feature="search"), model="house-model"),
    ]
    home = str(home_of(tmp_path, rows))
    (whole,) = rows_of(capsys, "actions", "--ledger", home)
    assert (whole["actions"], whole["priced_actions"], whole["unpriced"]) == (2, 1, 1)
    assert (whole["mean"], whole["p95"], whole["total"]) == ("0.007", "0.007", "0.007")
    parts = rows_of(capsys, "actions", "--by", "feature", "--ledger", home)
    assert {row["feature"]: row["total"] for row in parts} == {
        "draft": "0.0035",
        "search": "0.0035",
    }
    (house,) = rows_of(capsys, "actions", "--model", "house-model", "--ledger", home)
    assert (house["total"], house["mean"], house["p50"]) == (None, None, None)


@pytest.mark.parametrize("by", ["feature", "provider", "service", "day"])
def test_two_customers_that_number_their_actions_alike_have_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    rows = [
        observe(n, trace=n, attribution=tenant(name, feature="draft", action="1"))
        for n, name in enumerate(("acme", "globex"))
    ]
    home = str(home_of(tmp_path, rows))
    (row,) = rows_of(capsys, "actions", "--by", by, "--ledger", home)
    assert (row["actions"], row["calls_p95"], row["mean"]) == (2, 1, "0.0035")


def test_options_select(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin = seconds_of("2026-11-20T10:00:00Z")
    home = str(
        home_of(
            tmp_path,
            [
                observe(n, trace=n, start_s=begin + n * 86_400, end_s=begin + n * 86_400 + 1)
                for n in range(3)
            ],
        )
    )
    (row,) = rows_of(
        capsys, "actions", "--from", "2026-11-21", "--to", "2026-11-22", "--ledger", home
    )
    assert row["actions"] == 1
    none = call(capsys, "actions", "--tenant", "nobody", "--ledger", home)
    assert (none.code, none.out) == (0, "")
    assert "nobody" in none.err
    table = call(capsys, "actions", "--by", "tenant", "--ledger", home)
    assert "acme" in table.out
    assert call(capsys, "actions", "--csv", "--ledger", home).out.startswith("tenant,currency,")


def test_percentiles_are_by_nearest_rank_for_any_number_of_actions(tmp_path: Path) -> None:
    """What the store works out is what `nearest_rank` says of the same values."""
    store = DuckDBSink(tmp_path / "charges.duckdb")
    rows = store.query(
        "SELECT n, quantile_disc(CAST(v AS DECIMAL(38, 18)) / 1000, [0.50, 0.95]) FROM range(1, 301) AS sizes (n),"
        " LATERAL (SELECT unnest(range(n)) AS v) GROUP BY n ORDER BY n"
    ).rows
    for n, found in rows:
        expected = [nearest_rank(range(n), percent) for percent in (50, 95)]
        assert [int(amount * 1000) for amount in found] == expected


@pytest.mark.parametrize(
    ("percent", "place"), [(1, 0), (50, 4), (51, 5), (90, 8), (91, 9), (95, 9), (100, 9)]
)
def test_nearest_rank(percent: int, place: int) -> None:
    assert nearest_rank(range(10), percent) == place


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 3, "0.333333"), (2, 3, "0.666667"), (0, 5, "0"), (5, 5, "1"), (1, 0, None), (3, -1, None)],
)
def test_share(part: int, whole: int, text: str | None) -> None:
    assert share_text(part * 10**18, whole * 10**18) == text
    assert format_money(10**18) == "1"


def test_a_ledger_of_nothing_makes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "actions", "--ledger", str(tmp_path))
    assert (done.code, done.out) == (0, "")
    assert [*tmp_path.iterdir()] == []
    rows: list[Any] = done.rows
    assert rows == []
