"""FOCUS: rows add up to the statement to the digit, line by line, in CSV and in Parquet, and a rerun is the same."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.statements.exports.focus_columns import VERSIONS, Version, columns_of
from otel_genai_cost.statements.exports.focus_files import SQL_TYPES, focus_csv, focus_records
from otel_genai_cost.statements.exports.focus_rows import Daily, focus_rows
from otel_genai_cost.statements.exports.issuer import NOBODY
from otel_genai_cost.statements.gather import Item
from otel_genai_cost.statements.statement import Spread, Statement, StatementLine
from otel_genai_exporters.parquet import write_parquet
from tests.statements.exports.samples import (
    DAYS,
    HOSTILE,
    ISSUER,
    daily_of,
    hostile,
    plan_line,
    revised,
    spread,
    statement,
    used,
    usual,
)


def _written(
    one: Statement, version: Version = "1.2", name: str | None = None
) -> list[dict[str, str]]:
    text = focus_csv(focus_rows(one, daily_of(one), ISSUER, name), version)
    return list(csv.DictReader(io.StringIO(text)))


def _sum(rows: list[dict[str, str]], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


@pytest.mark.parametrize(
    "one", [usual(), revised(), statement([])], ids=["usual", "revised", "none"]
)
@pytest.mark.parametrize("column", ["BilledCost", "EffectiveCost", "ContractedCost", "ListCost"])
def test_rows_add_up_to_the_total(one: Statement, column: str) -> None:
    assert _sum(_written(one), column) == Decimal(format_money(one.total))


def test_the_rows_of_each_line_add_up_to_it() -> None:
    one = usual()
    by_line = defaultdict[str, Decimal](Decimal)
    for row in _written(one):
        by_line[row["x_StatementLine"]] += Decimal(row["BilledCost"])
    assert by_line == {
        str(n): Decimal(format_money(line.amount)) for n, line in enumerate(one.lines, start=1)
    }


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**9), 10**9), st.integers(-(10**24), 10**24), st.integers(-99, 99)
        ),
        max_size=6,
    )
)
def test_whatever_the_usage_comes_to(parts: list[tuple[int, int, int]]) -> None:
    """Quantities and prices of any sign, and lines that charge something else than what was used."""
    lines = [
        used(f"m{n}", "input", quantity, format_money(cents * 10**16))._replace(exact=exact)
        for n, (quantity, exact, cents) in enumerate(parts)
    ]
    one = statement(lines)
    rows = _written(one)
    assert _sum(rows, "BilledCost") == Decimal(format_money(one.total))
    for row in rows:
        if row["PricingQuantity"]:
            cost = Decimal(row["ContractedUnitPrice"]) * Decimal(row["PricingQuantity"])
            assert abs(cost - Decimal(row["ContractedCost"])) < Decimal("1e-9")


def test_a_row_says_what_was_used_on_a_day_and_at_what_price() -> None:
    first, second, rounding = _written(
        statement([used("gpt-4o", "input", 1_200_000, "3.00", "3.0012")])
    )
    assert (first["ChargePeriodStart"], first["ChargePeriodEnd"]) == (
        "2026-09-30T22:00:00Z",
        "2026-10-01T22:00:00Z",
    )
    assert (second["ChargePeriodStart"], second["ChargePeriodEnd"]) == (
        "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z",
    )
    assert (first["ConsumedQuantity"], first["ConsumedUnit"]) == ("400000.0", "Tokens")
    assert (first["PricingQuantity"], first["PricingUnit"]) == ("0.4", "1000000 Tokens")
    assert (first["ContractedUnitPrice"], first["BilledCost"]) == ("2.501", "1.0004")
    assert (first["SkuId"], first["SkuMeter"]) == ("openai/gpt-4o/input", "Input Tokens")
    assert first["SkuPriceId"] == "openai/gpt-4o/input@2.501 EUR per 1000000 Tokens"
    assert (rounding["ChargeCategory"], rounding["BilledCost"]) == ("Adjustment", "-0.0012")
    assert rounding["ChargeDescription"] == "Rounding: openai/gpt-4o input"


def test_what_no_usage_explains_is_told_apart() -> None:
    one = statement(
        [
            plan_line("Pro plan", 3, "seats", "60.00"),
            plan_line("Goodwill", 0, "credit", "-1.00"),
            plan_line("Minimum", 0, "minimum", "5.00"),
        ]
    )
    seats, goodwill, minimum = _written(one)
    assert (seats["ChargeCategory"], seats["ConsumedQuantity"], seats["ContractedUnitPrice"]) == (
        "Usage",
        "3.0",
        "20.0",
    )
    assert (goodwill["ChargeCategory"], goodwill["SkuId"]) == ("Credit", "")
    assert (minimum["ChargeCategory"], minimum["ConsumedQuantity"]) == ("Adjustment", "")


def test_usage_that_a_plan_includes_is_billed_at_nothing_and_shown() -> None:
    one = statement([plan_line("Pro plan", 1, "seats", "20.00")])
    daily: Daily = {Item("openai", "gpt-4o", "input"): {DAYS[0]: (1_000, parse_money("0.0025"))}}
    _, included = focus_rows(one, daily, ISSUER)
    assert (included["BilledCost"], included["ListCost"]) == (0, parse_money("0.0025"))
    assert included["ConsumedQuantity"] == 1_000 * 10**18


def test_the_mark_up_of_a_plan_is_in_the_price_of_each_day() -> None:
    line = used("gpt-4o", "input", 3_000_000, "9.00", "9")
    one = statement([line], plan="pay-as-you-go")
    daily: Daily = {
        Item("openai", "gpt-4o", "input"): {
            DAYS[0]: (1_000_000, parse_money("2.5")),
            DAYS[1]: (2_000_000, parse_money("5")),
        }
    }
    rows = list(focus_rows(one, daily, ISSUER))
    assert [row["BilledCost"] for row in rows] == [parse_money("3"), parse_money("6")]
    assert [row["ListCost"] for row in rows] == [parse_money("2.5"), parse_money("5")]
    assert {row["ContractedUnitPrice"] for row in rows} == {parse_money("3")}


def test_tokens_that_a_plan_charges_by_tier_are_counted_once() -> None:
    tiers = [
        plan_line("tokens to 1,000", 1_000, "tokens", "5.00"),
        plan_line("tokens beyond", 234, "tokens", "0.50"),
    ]
    daily: Daily = {Item("openai", "gpt-4o", "input"): {DAYS[0]: (1_234, parse_money("0.003"))}}
    rows = list(focus_rows(statement(tiers, plan="tiers"), daily, ISSUER))
    assert sum(row["BilledCost"] for row in rows) == parse_money("5.5")
    assert sum(row.get("ConsumedQuantity") or 0 for row in rows) == 1_234 * 10**18


def test_a_part_of_what_is_nobodys_is_allocated() -> None:
    one = spread()
    part = one.lines[-1]
    *others, row, rounding = _written(one, "1.4", "Acme")
    assert (row["BilledCost"], row["ChargeDescription"]) == ("0.333333333333333333", part.product)
    assert (row["AllocatedMethodId"], row["ChargeCategory"]) == ("spread-by-cost", "Adjustment")
    assert (row["AllocatedResourceId"], row["AllocatedResourceName"]) == (one.tenant, "Acme")
    details = json.loads(row["AllocatedMethodDetails"], parse_float=Decimal)
    assert details == {
        "Elements": [{"AllocatedRatio": Decimal("0.333333333333333333"), "UsageUnit": "Cost"}]
    }
    assert (rounding["BilledCost"], rounding["ChargeDescription"]) == (
        "-0.003333333333333333",
        f"Rounding: {part.product}",
    )
    for other in (*others, rounding):
        columns = ("AllocatedMethodId", "AllocatedMethodDetails", "AllocatedResourceId")
        assert {other[name] for name in columns} == {""}


def test_what_was_taken_off_names_the_rule_and_no_resource() -> None:
    off = StatementLine("Spread over tenants by cost", 0, "spread", 0, parse_money("-0.5"))
    one = statement([off._replace(amount=parse_money("-0.5"))], spread=Spread("cost", 0, 3, 0))
    (row,) = focus_rows(one._replace(tenant=None, whose="unattributed"), {}, ISSUER)
    assert (row["AllocatedMethodId"], row["ChargeCategory"]) == ("spread-by-cost", "Adjustment")
    assert row.get("AllocatedResourceId") is None
    assert row["BilledCost"] == parse_money("-0.5")


def test_a_revision_is_a_correction() -> None:
    assert {row["ChargeClass"] for row in _written(usual())} == {""}
    assert {row["ChargeClass"] for row in _written(revised())} == {"Correction"}


def test_only_what_is_stated_has_an_invoice() -> None:
    assert all(row["InvoiceId"] for row in _written(usual()))
    assert not any(row["InvoiceId"] for row in _written(usual()._replace(state="open")))


def test_credits_are_priced_in_their_own_unit() -> None:
    one = statement([used("gpt-4o", "input", 1_000_000, "250.00")], currency="ACU")
    rows = _written(one)
    assert _sum(rows, "PricingCurrencyEffectiveCost") == 250
    assert _sum(rows, "BilledCost") == 0
    assert {(row["BillingCurrency"], row["PricingCurrency"]) for row in rows} == {("USD", "ACU")}


def test_the_newer_version_names_who_sells_and_who_hosts() -> None:
    old, new = ({column.name for column in columns_of(version)} for version in VERSIONS)
    assert old - new == {"ProviderName", "PublisherName", "CommitmentDiscountStatus"}
    assert {"ServiceProviderName", "HostProviderName", "AllocatedMethodId"} <= new - old
    row = _written(usual(), "1.4")[0]
    assert (row["ServiceProviderName"], row["HostProviderName"]) == (ISSUER.name, "openai")


def test_without_an_issuer_there_is_still_a_name() -> None:
    for row in focus_rows(usual(), daily_of(usual()), NOBODY):
        assert row["InvoiceIssuerName"]
        assert row["ProviderName"] == row["InvoiceIssuerName"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("version", VERSIONS)
def test_hostile_text_is_inert_and_reads_back(text: str, version: Version) -> None:
    one = hostile(text)
    written = focus_csv(focus_rows(one, daily_of(one), ISSUER, text), version)
    written.encode("utf-8")
    rows = list(csv.reader(io.StringIO(written)))
    assert {len(row) for row in rows} == {len(columns_of(version))}
    for cell in (cell for row in rows for cell in row):
        assert cell.isprintable()
        assert cell[:1] not in tuple("=+@\uff1d") or not cell
        assert not cell.startswith("-") or Decimal(cell)
        assert cell.isascii() or version != "1.2"


def _parquet(one: Statement, path: Path, version: Version = "1.2") -> duckdb.DuckDBPyConnection:
    records = focus_records(focus_rows(one, daily_of(one), ISSUER), version)
    write_parquet(records, {c.name: SQL_TYPES[c.kind] for c in columns_of(version)}, path)
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    database.execute("CREATE TABLE focus AS SELECT * FROM read_parquet(?)", [str(path)])
    return database


def _one(database: duckdb.DuckDBPyConnection, question: str) -> Any:
    found = database.execute(question).fetchone()
    assert found is not None
    return found[0]


def test_parquet_has_types_and_the_same_figures(tmp_path: Path) -> None:
    one = usual()
    with _parquet(one, tmp_path / "focus.parquet") as database:
        assert _one(database, "SELECT sum(BilledCost) FROM focus") == Decimal(
            format_money(one.total)
        )
        assert _one(database, "SELECT typeof(BilledCost) FROM focus") == "DECIMAL(38,18)"
        assert _one(database, "SELECT typeof(ConsumedQuantity) FROM focus") == "DECIMAL(38,6)"
        assert (
            _one(database, "SELECT typeof(ChargePeriodStart) FROM focus")
            == "TIMESTAMP WITH TIME ZONE"
        )
        first = "SELECT min(ChargePeriodStart)::VARCHAR FROM focus"
        assert _one(database, first) == "2026-09-30 22:00:00+00"
        costs = database.execute("SELECT BilledCost FROM focus").fetchall()
    assert [Decimal(row["BilledCost"]) for row in _written(one)] == [cost for (cost,) in costs]


@pytest.mark.parametrize("text", HOSTILE)
def test_parquet_keeps_text_as_it_is(text: str, tmp_path: Path) -> None:
    with _parquet(hostile(text), tmp_path / "focus.parquet", "1.4") as database:
        assert _one(database, "SELECT DISTINCT BillingAccountId FROM focus") == text.replace(
            "\ud800", "\ufffd"
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rerun_is_the_same_to_the_byte(version: Version, tmp_path: Path) -> None:
    paths = [tmp_path / "it's first.parquet", tmp_path / "second.parquet"]
    for path in paths:
        _parquet(usual(), path, version).close()
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    texts = {focus_csv(focus_rows(usual(), daily_of(usual()), ISSUER), version) for _ in paths}
    assert len(texts) == 1


def test_two_names_never_become_one() -> None:
    names = ("M\u00fcller", "M\\u00fcller", "M\\\\u00fcller", "M\ufffdller")
    written = {_written(usual(), "1.2", name)[0]["BillingAccountName"] for name in names}
    assert len(written) == len(names)
    assert "M\\u00fcller" in written
