"""What came into a bill over its first or its last midnight is neither missing nor too much."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import pytest

from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.pair import Booked, Pair
from otel_genai_cost.reconciliation.timing import Edge, shifted

DAY: Final = "2026-10-05"
CELL: Final = Cell(DAY, "usage", "gpt-4o", "input", None, "", "USD")


@pytest.mark.parametrize(("day", "edge"), [("2026-10-04", "late"), ("2026-10-06", "early")])
@pytest.mark.parametrize(("more", "moved"), [(10, 10), (11, 0)])
def test_calls_beyond_a_midnight_at_the_end_of_a_bill(
    day: str, edge: Edge, more: int, moved: int
) -> None:
    def calls_around(cell: Cell, at: Edge) -> Sequence[int]:
        return [10] if (cell.day, at) == (day, edge) else []

    billed = Billed(Fraction(100 + more), 100 + more, None, 0, False)
    pairs = {CELL: Pair(CELL, Booked(100, 100, 100), billed)}
    shifted(pairs, calls_around, DAY, DAY)
    assert pairs[CELL].shifted == moved
