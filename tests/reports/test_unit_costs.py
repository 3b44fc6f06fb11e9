"""Cost of a call and of a thousand tokens: of what is known whole, equal to what charges come to."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from otel_genai_cost.pricing.money import divide_half_even, format_money, parse_money
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.unit_costs import unit_cost_record, unit_costs
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.homes import OSC, week
from tests.cli.program import rows_of

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return week(tmp_path_factory.mktemp("week"))


def _store(home: Path) -> DuckDBSink:
    return DuckDBSink(home / "charges.duckdb")


def test_they_are_the_report_with_figures_beside(home: Path, capsys: Capture) -> None:
    reported = {
        (row["provider"], row["model"], row["currency"]): row
        for row in rows_of(capsys, "report", "--by", "provider,model", "--ledger", str(home))
    }
    found = [unit_cost_record(one) for one in unit_costs(_store(home))]
    assert len(found) == len(reported) == 5
    for one in found:
        row = reported[one["provider"], one["model"], one["currency"]]
        assert {name: one[name] for name in row} == row


def test_they_are_of_what_is_known_whole(home: Path, capsys: Capture) -> None:
    charges = rows_of(capsys, "charges", "--ledger", str(home))
    for one in unit_costs(_store(home)):
        priced = [r for r in charges if r["model"] == one.model and r["status"] == "priced"]
        cost = sum(parse_money(r["amount"]) for r in priced)
        tokens = sum(sum(r["usage"].values()) for r in priced)
        assert (one.priced, one.cost) == (len(priced), cost)
        assert one.input_tokens + one.output_tokens == tokens
        record = unit_cost_record(one)
        if not priced:
            assert record["per_call"] is record["per_thousand_tokens"] is None
            continue
        assert record["per_call"] == format_money(divide_half_even(cost, len(priced)))
        thousand = Fraction(cost * 1_000, tokens)
        assert abs(parse_money(record["per_thousand_tokens"]) - thousand) <= Fraction(1, 2)


def test_what_is_unknown_is_no_zero(home: Path) -> None:
    found = {one.model: one for one in unit_costs(_store(home))}
    partial, unknown = found["gpt-4-0613"], found["house-model"]
    assert (partial.per_call, partial.per_thousand) == (None, None), "a part of it is known only"
    assert partial.group.at_least is not None
    assert (unknown.per_call, unknown.per_thousand, unknown.group.at_least) == (None, None, None)
    assert found[OSC].per_call is None


def test_the_dearest_come_first_and_filters_hold(home: Path) -> None:
    found = unit_costs(_store(home))
    known = [one.group.at_least for one in found]
    assert known == sorted(known, key=lambda one: -1 if one is None else one, reverse=True)
    (one,) = unit_costs(_store(home), Selection(tenants=("t3",)))
    assert (one.priced, format_money(one.cost)) == (3, "0.0105")
    assert unit_costs(_store(home), EVERYTHING._replace(visible=())) == []
    (paid,) = unit_costs(_store(home), Selection(tenants=("t3",), side="price"))
    assert paid.cost == one.cost, "where no contract says otherwise"
