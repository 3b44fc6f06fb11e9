"""Many charges are compared by sums: what `python -m tests.reconciliation.scale` measures, in little."""

from __future__ import annotations

from pathlib import Path

from tests.reconciliation.scale import filled, measured


def test_a_bill_of_many_charges_that_says_the_same_is_equal(tmp_path: Path) -> None:
    done = measured(filled(tmp_path / "charges.duckdb", 20_000), 20_000)
    assert (done.cells, done.unequal) == (279, 0)
