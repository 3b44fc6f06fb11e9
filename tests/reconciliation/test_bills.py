"""Bills are kept: what is the same changes nothing, what is revised is a version, what looks cut off takes nothing."""

from __future__ import annotations

import sqlite3
from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.errors import FormatTooNewError, LedgerLockedError
from otel_genai_cost.ledger.storage.lock import exclusive
from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.bills import BILLS_FILE, Bills, Imported

NOW_US: Final = 1_795_000_000_000_000
DAY: Final = "2026-10-01"


def _cell(leaf: str, day: str = DAY) -> Cell:
    return Cell(day, "usage", "gpt-4o", leaf, None, "", "USD")


def _billed(amount: int, quantity: int = 1_000) -> Billed:
    return Billed(Fraction(quantity), amount, None, 10**12, False)


def _versions(home: Path) -> list[tuple[int, str]]:
    with sqlite3.connect(home / BILLS_FILE) as db:
        return db.execute("SELECT version, amount FROM bill ORDER BY cell, version").fetchall()


def test_the_same_bill_changes_nothing_and_a_revised_one_is_a_version(tmp_path: Path) -> None:
    bills = Bills(tmp_path)
    first = {_cell("input"): _billed(10**18), _cell("output"): _billed(2 * 10**18)}
    assert bills.keep("openai", first, [("d1", "a")], NOW_US, zone="UTC") == Imported(new=2)
    again = dict(reversed(first.items()))
    assert bills.keep("openai", again, [("d2", "b")], NOW_US, zone="UTC") == Imported()
    revised = first | {_cell("output"): _billed(3 * 10**18)}
    assert bills.keep("openai", revised, [("d3", "c")], NOW_US, zone="UTC") == Imported(revised=1)
    assert _versions(tmp_path) == [(1, "1"), (1, "2"), (2, "3")]
    assert {cell: one.billed.amount for cell, one in bills.newest("openai", DAY, DAY).items()} == {
        _cell("input"): 10**18,
        _cell("output"): 3 * 10**18,
    }
    bills.close()


def test_what_a_revised_bill_has_no_more_is_nothing(tmp_path: Path) -> None:
    bills = Bills(tmp_path)
    bills.keep(
        "openai", {_cell("input"): _billed(1), _cell("output"): _billed(2)}, [], NOW_US, zone="UTC"
    )
    done = bills.keep("openai", {_cell("input"): _billed(5)}, [], NOW_US, zone="UTC")
    assert done == Imported(revised=1, gone=1)
    assert bills.newest("openai", DAY, DAY)[_cell("output")].billed.amount == 0
    bills.close()


def test_a_bill_that_only_lacks_cells_takes_nothing_away(tmp_path: Path) -> None:
    bills = Bills(tmp_path)
    bills.keep(
        "openai", {_cell("input"): _billed(1), _cell("output"): _billed(2)}, [], NOW_US, zone="UTC"
    )
    assert bills.keep("openai", {_cell("input"): _billed(1)}, [], NOW_US, zone="UTC") == Imported(
        cut_off=1
    )
    assert bills.newest("openai", DAY, DAY)[_cell("output")].billed.amount == 2
    bills.close()


def test_another_part_of_a_bill_is_added(tmp_path: Path) -> None:
    bills = Bills(tmp_path)
    bills.keep("openai", {_cell("input"): _billed(1)}, [], NOW_US, zone="UTC")
    assert bills.keep("openai", {_cell("output"): _billed(2)}, [], NOW_US, zone="UTC") == Imported(
        new=1
    )
    assert len(bills.newest("openai", DAY, DAY)) == 2
    bills.close()


def test_a_report_of_usage_takes_no_money_away_and_adds_none(tmp_path: Path) -> None:
    def used(many: int) -> Billed:
        return Billed(Fraction(many), None, None, 0, False)

    bills, paid = Bills(tmp_path), Billed(None, 3, None, 1, True)
    bills.keep(
        "openai", {_cell("input"): paid, _cell("output"): _billed(2)}, [], NOW_US, zone="UTC"
    )
    flex, own = _cell("output")._replace(tier="flex"), _cell("output")._replace(key="proj_1")
    done = bills.keep(
        "openai", {_cell("input"): used(7), flex: used(5), own: used(6)}, [], NOW_US, zone="UTC"
    )
    assert done == Imported(new=2, revised=1)
    assert {cell: one.billed for cell, one in bills.standing("openai", DAY, DAY).items()} == {
        _cell("input"): paid._replace(quantity=Fraction(7)),
        _cell("output"): _billed(2),
    }
    bills.close()


def test_one_process_imports_at_a_time(tmp_path: Path) -> None:
    bills = Bills(tmp_path)
    with (
        exclusive(tmp_path / "bills.lock", "held"),
        pytest.raises(LedgerLockedError, match="another process imports"),
    ):
        bills.keep("openai", {_cell("input"): _billed(1)}, [], NOW_US, zone="UTC")
    assert _versions(tmp_path) == []
    bills.close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    Bills(tmp_path).close()
    with sqlite3.connect(tmp_path / BILLS_FILE) as db:
        db.execute("UPDATE meta SET value = '2'")
    with pytest.raises(FormatTooNewError):
        Bills(tmp_path)


@pytest.mark.parametrize("said", ["UPDATE bill SET amount = '0'", "DELETE FROM bill"])
def test_what_was_billed_stays(tmp_path: Path, said: str) -> None:
    bills = Bills(tmp_path)
    bills.keep("openai", {_cell("input"): _billed(10**18)}, [], NOW_US, zone="UTC")
    bills.close()
    with (
        sqlite3.connect(tmp_path / BILLS_FILE) as db,
        pytest.raises(sqlite3.IntegrityError, match="what was billed is never"),
    ):
        db.execute(said)
    assert _versions(tmp_path) == [(1, "1")]
