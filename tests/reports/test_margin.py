"""Margin, compared with SQL of its own over the exported entries, and the rules of who comes first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from otel_genai_cost.ledger.contracts.contract import LIST_PRICES
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.reports.margin.report import Known, Question, margin
from otel_genai_cost.reports.revenue.store import revenue_in
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import held, home_of, seconds_of
from tests.cli.program import Done, call, rows_of
from tests.ledger.build import observe, tenant
from tests.reports.margin_home import HEAD, MarginHome, make_margin

Capture = pytest.CaptureFixture[str]
_OCTOBER = ("--from", "2026-10-01", "--to", "2026-11-01")

_SQL = """
WITH bounds AS (
    SELECT epoch_us(TIMESTAMP '2026-10-01') AS a, epoch_us(TIMESTAMP '2026-11-01') AS b
), invoice AS (
    SELECT tenant,
           CAST(split_part(amount, '.', 1) || rpad(split_part(amount, '.', 2), 18, '0') AS HUGEINT) AS atto,
           epoch_us("from"::TIMESTAMP) AS f, epoch_us("to"::TIMESTAMP) AS t
    FROM read_csv($1, all_varchar = true)
), cut AS (
    SELECT tenant, atto, t - f AS length,
           least(greatest(a, f), t) - f AS since, least(greatest(b, f), t) - f AS until
    FROM invoice, bounds WHERE f < b AND t > a
), halves AS (
    SELECT tenant, length,
           (atto * since) // length AS s, (atto * since) % length AS sr,
           (atto * until) // length AS u, (atto * until) % length AS ur
    FROM cut
), each AS (
    SELECT tenant,
           u + CASE WHEN 2 * ur > length OR (2 * ur = length AND u % 2 = 1) THEN 1 ELSE 0 END
           - s - CASE WHEN 2 * sr > length OR (2 * sr = length AND s % 2 = 1) THEN 1 ELSE 0 END AS atto
    FROM halves
), revenue AS (SELECT tenant, CAST(sum(atto) AS VARCHAR) AS atto FROM each GROUP BY tenant),
cost AS (
    SELECT tenant, CAST(sum(amount) AS VARCHAR) AS amount
    FROM read_parquet($2), bounds
    WHERE epoch_us(occurred) >= a AND epoch_us(occurred) < b GROUP BY tenant
)
SELECT coalesce(revenue.tenant, cost.tenant) AS tenant, revenue.atto, coalesce(cost.amount, '0')
FROM revenue FULL JOIN cost ON revenue.tenant = cost.tenant
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MarginHome:
    return make_margin(tmp_path_factory.mktemp("margin"))


@pytest.fixture(scope="module")
def csv(made: MarginHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("revenue") / "revenue.csv"
    path.write_text(made.csv, encoding="utf-8")
    return path


@pytest.fixture
def home(made: MarginHome, csv: Path, capsys: Capture) -> Iterator[str]:
    """With its revenue imported; again for each test, to no effect."""
    done = call(capsys, "revenue", "import", str(csv), "--ledger", str(made.folder))
    assert done.code == 0, done.err
    with held(made.folder):
        yield str(made.folder)


def _rows(capsys: Capture, home: str, *options: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    *rows, last = rows_of(capsys, "margin", *options, "--ledger", home)
    return rows, last["summary"]


def test_sql_of_its_own_agrees_to_the_last_digit(
    home: str, csv: Path, capsys: Capture, tmp_path: Path
) -> None:
    exported = tmp_path / "entries.parquet"
    with duckdb.connect(f"{home}/charges.duckdb", read_only=True) as store:
        store.execute(f"COPY entries TO '{exported}' (FORMAT parquet)")
    with duckdb.connect() as db:
        theirs = db.execute(_SQL, [str(csv), str(exported)]).fetchall()
    rows, summary = _rows(capsys, home, *_OCTOBER)
    ours = {row["tenant"]: row for row in rows}
    assert ours.keys() == {name for name, *_ in theirs}
    for name, atto, cost in theirs:
        row = ours[name]
        assert parse_money(row["cost"]) == parse_money(cost)
        if atto is None:
            assert (row["revenue"], row["margin"], row["margin_percent"]) == (None, None, None)
        else:
            assert parse_money(row["revenue"]) == int(atto)
            assert parse_money(row["margin"]) == int(atto) - parse_money(cost)
    assert parse_money(summary["cost"]) == sum(parse_money(cost) for *_, cost in theirs)
    assert parse_money(summary["revenue"]) == sum(int(atto) for _, atto, _ in theirs if atto)
    assert summary["margin"] is None, "the revenue of some is unknown"


def test_planted_loss_makers_come_first(made: MarginHome, home: str, capsys: Capture) -> None:
    rows, summary = _rows(capsys, home)
    lossy = {row["tenant"] for row in rows if (row["margin"] or "").startswith("-")}
    assert lossy == made.losers
    assert {row["tenant"] for row in rows[: len(lossy)]} == lossy
    below = [row["below_target"] for row in rows]
    assert below[: summary["below_target"]] == [True] * summary["below_target"]
    assert True not in below[summary["below_target"] :]
    percents = [Fraction(row["margin_percent"]) for row in rows[: len(lossy)]]
    assert percents == sorted(percents)


def test_periods_readd(home: str, capsys: Capture) -> None:
    """Any cut of the time gives parts that re-add to the whole, in revenue and cost, tenant by tenant."""
    cuts = ["2026-09-15T00:00:00Z", "2026-10-03T04:05:06.789Z", "2026-10-03T04:05:06.790Z"]
    cuts.append("2026-11-15T00:00:00Z")
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for since, until in pairwise(cuts):
        for row in _rows(capsys, home, "--from", since, "--to", until)[0]:
            sums[str(row["tenant"])][0] += parse_money(row["revenue"] or 0)
            sums[str(row["tenant"])][1] += parse_money(row["cost"])
    whole, _ = _rows(capsys, home, "--from", cuts[0], "--to", cuts[-1])
    assert {
        str(row["tenant"]): [parse_money(row["revenue"] or 0), parse_money(row["cost"])]
        for row in whole
    } == sums


@pytest.mark.parametrize("rule", ["cost", "calls", "revenue", "evenly"])
def test_what_is_spread_readds(home: str, capsys: Capture, rule: str) -> None:
    plain, before = _rows(capsys, home, *_OCTOBER)
    spread, after = _rows(capsys, home, *_OCTOBER, "--spread", rule)
    (nobody,) = [row for row in plain if row["what"] == "unattributed"]
    assert after["spread"] == rule
    assert after["spread_costs"] == {"unattributed": nobody["cost"]}
    assert after["cost"] == before["cost"]
    assert sum(parse_money(row["spread_cost"]) for row in spread) == parse_money(nobody["cost"])
    assert {row["what"] for row in spread} == {"tenant"}
    for dimension in ("plan", "feature"):
        rows, summary = _rows(capsys, home, *_OCTOBER, "--spread", rule, "--by", dimension)
        assert summary["cost"] == before["cost"]
        assert sum(parse_money(row["spread_cost"]) for row in rows) == parse_money(nobody["cost"])
    own = {row["tenant"]: parse_money(row["own_cost"]) for row in spread}
    parts = {row["tenant"]: parse_money(row["spread_cost"]) for row in spread}
    total, atto = sum(own.values()), parse_money(nobody["cost"])
    if rule == "cost":
        assert all(abs(parts[name] - Fraction(atto * own[name], total)) < 1 for name in own)
    if rule == "evenly":
        assert max(parts.values()) - min(parts.values()) <= 1


def test_revenue_is_given_to_features_by_a_rule(home: str, capsys: Capture) -> None:
    tenants, whole = _rows(capsys, home, *_OCTOBER)
    rows, _ = _rows(capsys, home, *_OCTOBER, "--by", "feature")
    assert {row["margin"] for row in rows if row["what"] == "feature"} == {None}
    (general,) = [row for row in rows if row["what"] == "all_features"]
    assert general["revenue"] == whole["revenue"]
    given, after = _rows(capsys, home, *_OCTOBER, "--by", "feature", "--revenue-by", "cost")
    assert after["revenue"] == whole["revenue"]
    assert sum(parse_money(row["revenue"] or 0) for row in given) == parse_money(whole["revenue"])
    assert len(tenants) > len(given)


def test_price_at_target_brings_the_target(home: str, capsys: Capture) -> None:
    rows, _ = _rows(capsys, home, *_OCTOBER, "--target", "0.65")
    for row in rows:
        if row["what"] == "tenant":
            price, cost = parse_money(row["price_at_target"]), parse_money(row["cost"])
            assert (price - cost) * 100 >= 65 * price
            assert (price - 1 - cost) * 100 < 65 * (price - 1) or not cost


def test_top_five_per_cent(home: str, capsys: Capture) -> None:
    rows, summary = _rows(capsys, home, *_OCTOBER)
    costs = sorted((parse_money(r["cost"]) for r in rows if r["what"] == "tenant"), reverse=True)
    count = -(-len(costs) // 20)
    assert summary["top_tenants"] == count
    share = Fraction(sum(costs[:count]), sum(costs))
    assert abs(Fraction(summary["top_share"]) - share) <= Fraction(1, 2_000_000)


def test_the_month_before_is_compared(home: str, capsys: Capture) -> None:
    rows, summary = _rows(capsys, home, *_OCTOBER)
    assert (summary["previous_from"], summary["previous_to"]) == (
        "2026-09-01T00:00:00Z",
        "2026-10-01T00:00:00Z",
    )
    before, _ = _rows(capsys, home, "--from", "2026-09-01", "--to", "2026-10-01")
    then = {row["tenant"]: row for row in before}
    for row in rows:
        if row["previous"] is not None:
            assert row["previous"]["margin"] == then[row["tenant"]]["margin"]
        if row["trend"] is not None:
            gone = Fraction(then[row["tenant"]]["margin_percent"])
            assert Fraction(row["trend"]) == Fraction(row["margin_percent"]) - gone
    _, later = _rows(capsys, home, "--from", "2026-10-02", "--to", "2026-10-05")
    assert later["previous_from"] == "2026-09-29T00:00:00Z"


# --- small ledgers ---


def _home(tmp_path: Path, *who: tuple[str | None, str], **labels: Any) -> Path:
    """A call of 0.0035 USD of each, at that time."""
    rows = [
        observe(
            n,
            trace=n,
            start_s=seconds_of(at) - 1,
            end_s=seconds_of(at),
            attribution=tenant(name, **labels),
            response_id=f"r{n}",
        )
        for n, (name, at) in enumerate(who, start=1)
    ]
    return home_of(tmp_path, rows)


def _import(capsys: Capture, home: Path, text: str, *options: str) -> Done:
    path = home / "in.csv"
    path.write_text(HEAD + text, encoding="utf-8")
    return call(capsys, "revenue", "import", str(path), *options, "--ledger", str(home))


_MID = "2026-10-15T12:00:00Z"


def test_unknown_revenue_is_not_zero(tmp_path: Path, capsys: Capture) -> None:
    home = _home(tmp_path, ("acme", _MID), ("globex", _MID), ("initech", _MID))
    assert _import(capsys, home, "globex,2026-10-01,2026-11-01,0,USD,flat,g-1,,\n").code == 0
    rows, summary = _rows(capsys, str(home), *_OCTOBER)
    found = {row["tenant"]: (row["revenue"], row["margin"], row["reason"]) for row in rows}
    assert found == {
        "globex": ("0", "-0.0035", None),
        "acme": (None, None, "unknown_revenue"),
        "initech": (None, None, "unknown_revenue"),
    }
    assert rows[0]["tenant"] == "globex", "who brings nothing comes before whom nobody knows"
    assert (summary["unknown_revenue"], summary["below_target"], summary["margin"]) == (2, 1, None)


def test_imported_rows_come_before_the_registry(tmp_path: Path, capsys: Capture) -> None:
    """A month's revenue by the registry counts where no row is: here the first ten days of October."""
    home = _home(tmp_path, ("acme", _MID), ("globex", _MID))
    (home / "tenants.toml").write_text(
        'zone = "UTC"\n[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01\nrevenue = "310.00 USD"\n'
        '[[tenant]]\ntenant = "globex"\nfrom = 2026-10-22\nplan = "pro"\nrevenue = "31 USD"\n',
        encoding="utf-8",
    )
    _import(capsys, home, "acme,2026-10-11,2026-11-10,3000,USD,flat,a-1,,\n")
    rows, _ = _rows(capsys, str(home), *_OCTOBER)
    found = {
        row["tenant"]: (row["revenue"], row["revenue_by"], row["revenue_known"]) for row in rows
    }
    assert found["acme"] == ("2200", {"flat": "2100", "registered": "100"}, "1")
    assert found["globex"] == ("10", {"registered": "10"}, "0.322581")
    by_plan, _ = _rows(capsys, str(home), *_OCTOBER, "--by", "plan")
    assert {row["plan"]: row["revenue"] for row in by_plan} == {None: "2200", "pro": "10"}


def test_a_tenant_is_all_of_its_ids(tmp_path: Path, capsys: Capture) -> None:
    home = _home(tmp_path, ("acme", _MID), ("acme-old", _MID))
    (home / "tenants.toml").write_text(
        'zone = "UTC"\n[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01\naliases = ["acme-old"]\n',
        encoding="utf-8",
    )
    _import(capsys, home, "acme-old,2026-10-01,2026-11-01,31,USD,flat,a-1,,\n")
    (row,), _ = _rows(capsys, str(home), *_OCTOBER)
    assert (row["tenant"], row["cost"], row["revenue"]) == ("acme", "0.007", "31")


def test_currencies_are_never_added_without_a_rate(tmp_path: Path, capsys: Capture) -> None:
    home = _home(tmp_path, ("acme", _MID), ("globex", _MID))
    _import(
        capsys,
        home,
        "acme,2026-10-01,2026-11-01,31,EUR,flat,a-1,,\nglobex,2026-10-01,2026-11-01,31,USD,flat,b-1,,\n",
    )
    rows, summary = _rows(capsys, str(home), *_OCTOBER)
    found = {row["tenant"]: row for row in rows}
    assert summary["currency"] == "USD"
    assert (found["acme"]["margin"], found["acme"]["reason"]) == (None, "no_fx_rate")
    assert found["acme"]["unconverted"] == {"revenue": {"EUR": "31"}, "cost": {}}
    assert found["globex"]["margin"] == "30.9965"
    rates = tmp_path / "contracts.toml"
    rates.write_text(
        'schema = "otel-genai-cost-contracts/1"\n'
        '[[fx]]\nbase = "EUR"\nquote = "USD"\nrate = "1.1"\nfrom = 2026-01-01T00:00:00Z\n'
        'to = 2026-10-11T00:00:00Z\nsource = "ecb"\n'
        '[[fx]]\nbase = "EUR"\nquote = "USD"\nrate = "1.2"\nfrom = 2026-10-11T00:00:00Z\nsource = "ecb"\n',
        encoding="utf-8",
    )
    rows, summary = _rows(capsys, str(home), *_OCTOBER, "--contracts", str(rates))
    found = {row["tenant"]: row for row in rows}
    # ten days at 1.1, twenty-one at 1.2
    assert found["acme"]["revenue"] == "36.2"
    assert summary["revenue"] == "67.2"


def test_credit_counts_when_it_is_burnt(tmp_path: Path, capsys: Capture) -> None:
    """Sold for 8, of which two calls of 0.0035 have burnt of 10 granted, one of them in October."""
    home = _home(tmp_path, ("acme", _MID), ("acme", "2026-11-03T00:00:00Z"))
    granted = call(
        capsys,
        *("credits", "grant", "--tenant", "acme", "--amount", "10", "--ref", "sale-1"),
        *("--from", "2026-01-01T00:00:00Z", "--ledger", str(home)),
    )
    assert granted.code == 0, granted.err
    _import(capsys, home, "acme,2026-09-01,2026-09-01,8,USD,credit,sale-1,,\n")
    (row,), summary = _rows(capsys, str(home), *_OCTOBER)
    assert (row["revenue"], row["revenue_by"]) == ("0.0028", {"credit": "0.0028"})
    (whole,), _ = _rows(capsys, str(home))
    assert whole["revenue"] == "0.0056"
    assert summary["deferred"] == {"USD": "7.9944"}


def test_what_a_seat_would_have_to_bring(tmp_path: Path, capsys: Capture) -> None:
    """Four seats bring 0.002 each and usage 0.001; cost is 0.0035, so at 0.7 all must come to 0.0116…"""
    home = _home(tmp_path, ("acme", _MID))
    _import(
        capsys,
        home,
        "acme,2026-10-01,2026-11-01,0.008,USD,seat,s-1,,4\nacme,2026-10-01,2026-11-01,0.001,USD,usage,u-1,,\n",
    )
    (row,), _ = _rows(capsys, str(home), *_OCTOBER)
    assert row["seat_price"] == "0.002"
    needed = Fraction("0.0035") / Fraction(3, 10) - Fraction("0.001")
    ours = Fraction(row["seat_price_at_target"])
    assert 0 <= ours * 4 - needed <= Fraction(5, 10**18)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (("--target", "1"), "--target"),
        (("--target", "x"), "--target"),
        (("--by", "model"), "--by"),
        (("--spread", "luck"), "--spread"),
        (("--revenue-by", "luck"), "--revenue-by"),
        (("--currency", "Euro"), "--currency"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, capsys: Capture, options: tuple[str, ...], wrong: str
) -> None:
    done = call(capsys, "margin", *options, "--ledger", str(tmp_path))
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert wrong in done.err


def test_of_nothing_there_is_none(tmp_path: Path, capsys: Capture) -> None:
    done = call(capsys, "margin", "--ledger", str(tmp_path))
    assert (done.code, done.out) == (0, "")
    assert [*tmp_path.iterdir()] == []


def test_a_table_for_people(home: str, capsys: Capture) -> None:
    done = call(capsys, "margin", *_OCTOBER, "--spread", "cost", "--ledger", home)
    assert done.code == 0
    assert "price_at_target" in done.out
    assert "spread by cost: unattributed" in done.err
    csv = call(capsys, "margin", *_OCTOBER, "--csv", "--ledger", home)
    assert csv.out.startswith("tenant,what,calls,")
    one = call(capsys, "margin", *_OCTOBER, "--tenant", "t001", "--json", "--ledger", home)
    assert [row.get("tenant") for row in one.rows] == ["t001", None]


def test_of_tenants_alone_their_rows_are_the_same(made: MarginHome, home: str) -> None:
    """Whether all that others cost is read beside it, or not."""
    store = DuckDBSink(Path(home) / "charges.duckdb")
    october = Selection(
        from_us=microseconds("2026-10-01T00:00:00Z"), to_us=microseconds("2026-11-01T00:00:00Z")
    )
    known = Known(revenue_in(Path(home)), (), LIST_PRICES, october.to_us or 0)
    question = Question("USD", target=parse_money("0.7"))
    for selection in (october, EVERYTHING):
        for named in ((f"t{n:03d}",) for n in range(0, 60, 7)):
            chosen = selection._replace(tenants=named)
            every = margin(store, known, chosen, question)
            alone = margin(store, known, chosen, question, alone=True)
            assert len(every.rows) == 1
            assert alone.rows == every.rows
            assert (alone.window, alone.before) == (every.window, every.before)
            spread = Question("USD", target=parse_money("0.7"), spread="cost")
            assert margin(store, known, chosen, spread, alone=True) == margin(
                store, known, chosen, spread
            )
