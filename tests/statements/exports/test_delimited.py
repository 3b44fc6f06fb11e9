"""Lines as CSV: they add up, read back, and are inert in a spreadsheet."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.statements.exports.delimited import lines_csv
from otel_genai_cost.statements.statement import Statement
from tests.statements.exports.samples import HOSTILE, hostile, many, revised, statement, usual


def _rows(*statements: Statement) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(lines_csv(statements))))


@pytest.mark.parametrize("one", [usual(), revised(), many(400), statement([])])
def test_amounts_add_up_and_read_back(one: Statement) -> None:
    rows = _rows(one)
    assert sum((Decimal(row["amount"]) for row in rows), Decimal(0)) == Decimal(
        format_money(one.total)
    )
    read = [(row["product"], int(row["quantity"]), row["unit"]) for row in rows]
    assert read == [(line.product, line.quantity, line.unit) for line in one.lines]


def test_each_row_says_whose_it_is() -> None:
    first = _rows(usual(), revised())[-1]
    assert (first["tenant"], first["scope"], first["scope_value"]) == ("acme", "team", "growth")
    assert (first["period_from"], first["zone"]) == ("2026-09-30T22:00:00Z", "Europe/Berlin")
    assert (first["revision"], first["unpriced"], first["gaps"]) == ("2", "3", "2")
    assert first["digest"] == revised().digest


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert(text: str) -> None:
    written = lines_csv([hostile(text)])
    for cell in (cell for row in csv.reader(io.StringIO(written)) for cell in row):
        assert cell.isprintable()
        assert not cell.startswith(("=", "+", "@", "\uff1d"))
        assert not cell.startswith("-") or Decimal(cell)
    assert len(written.splitlines()) == 3


def test_a_rerun_is_the_same_to_the_byte() -> None:
    assert lines_csv([usual(), revised()]) == lines_csv([usual(), revised()])
