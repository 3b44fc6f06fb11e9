"""Invoices with seeded defects of every class: each cell is classed as what was done to it, and nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import rows_of
from tests.reconciliation.invoices import (
    DEFECTS,
    Invoice,
    as_csv,
    as_openai,
    ledger_of,
    seeded,
)

Capture = pytest.CaptureFixture[str]
Write = Callable[..., Path]

WRITERS: list[tuple[str, Write, frozenset[str]]] = [
    ("plain", as_csv, frozenset()),
    ("openai", as_openai, frozenset({"discount"})),  # it has no list price
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ledger_of(tmp_path_factory.mktemp("october"))


def _reconciled(
    capsys: Capture, home: Path, invoice: Invoice, path: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    arguments = ("--provider", "openai", str(path), "--ledger", str(home))
    *cells, last = rows_of(capsys, "reconcile", *arguments)
    return cells, last["summary"]


def _place(cell: dict[str, Any]) -> tuple[str | None, ...]:
    names = ("day", "model", "token_type", "key", "kind", "tier")
    return tuple(cell[name] for name in names)


def _check_sums(cells: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    for cell in cells:
        difference = Decimal(cell["theirs"]["amount"]) - Decimal(cell["ours"]["amount"])
        assert Decimal(cell["volume"]) + Decimal(cell["rate"]) == difference, cell
        assert sum(map(Decimal, cell["parts"].values())) == difference, cell
    for side in ("ours", "theirs"):
        assert sum(Decimal(cell[side]["amount"]) for cell in cells) == Decimal(summary[side])
    explained = Decimal(summary["explained"]) + Decimal(summary["unexplained"])
    assert Decimal(summary["ours"]) + explained == Decimal(summary["theirs"])


@pytest.mark.parametrize(("seed", "key"), [(1, None), (2, "proj_main"), (3, None)])
@pytest.mark.parametrize(("name", "write", "without"), WRITERS, ids=lambda value: str(value)[:9])
def test_every_defect_is_classed_and_nothing_is_left(
    capsys: Capture,
    home: Path,
    tmp_path: Path,
    name: str,
    write: Write,
    without: frozenset[str],
    seed: int,
    key: str | None,
) -> None:
    invoice = seeded(home, 200, seed, [one for one in DEFECTS if one not in without], key)
    cells, summary = _reconciled(capsys, home, invoice, write(tmp_path / "bill", invoice.lines))
    _check_sums(cells, summary)
    found = {_place(cell): cell["class"] for cell in cells if cell["class"] != "equal"}
    assert found == invoice.expected
    assert Decimal(summary["unexplained_share"]) <= Decimal("0.005")
    assert len(invoice.expected) > 180


@pytest.mark.parametrize(("name", "write", "without"), WRITERS, ids=lambda value: str(value)[:9])
def test_a_bill_without_a_defect_is_equal(
    capsys: Capture, home: Path, tmp_path: Path, name: str, write: Write, without: frozenset[str]
) -> None:
    invoice = seeded(home, 0, 1)
    cells, summary = _reconciled(capsys, home, invoice, write(tmp_path / "bill", invoice.lines))
    assert {cell["class"] for cell in cells} == {"equal"}
    assert summary["ours"] == summary["theirs"]
    assert (summary["unexplained"], summary["unexplained_share"]) == ("0", "0")


def test_two_defects_in_one_cell_are_both_in_its_parts(
    capsys: Capture, home: Path, tmp_path: Path
) -> None:
    invoice = seeded(home, 0, 1)
    line = next(one for one in invoice.lines if one.leaf == "output" and not one.tier)
    assert line.quantity is not None
    price = line.amount // line.quantity
    dearer = line._replace(quantity=line.quantity + 500, amount=(line.quantity + 500) * price * 2)
    lines = [dearer if one == line else one for one in invoice.lines]
    path = as_csv(tmp_path / "bill.csv", lines)
    cells, summary = _reconciled(capsys, home, invoice, path)
    _check_sums(cells, summary)
    (cell,) = [one for one in cells if one["class"] != "equal"]
    assert _place(cell) == line.place
    assert Decimal(cell["volume"]) == 500 * Decimal(price) / 10**18
    assert {*cell["parts"]} == {"volume", "rate"}
    assert cell["class"] == "rate"


def test_a_line_that_says_nothing_is_unexplained(
    capsys: Capture, home: Path, tmp_path: Path
) -> None:
    invoice = seeded(home, 0, 1)
    path = as_csv(tmp_path / "bill.csv", invoice.lines)
    with path.open("a", encoding="utf-8") as file:
        file.write("2026-10-07,,,,,,,0.25,,USD\n")
    cells, summary = _reconciled(capsys, home, invoice, path)
    (cell,) = [one for one in cells if one["class"] != "equal"]
    assert (cell["class"], cell["unexplained"]) == ("unknown", "0.25")
    assert summary["unexplained"] == "0.25"
    assert Decimal(summary["unexplained_share"]) > 0
