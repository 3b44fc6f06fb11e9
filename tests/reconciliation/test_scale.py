"""Many charges are compared by sums: what `python -m tests.reconciliation.scale` measures, in little."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path

import pytest

from otel_genai_cost.reconciliation.ours import day_and_edge, ours, selection_of_days
from tests.reconciliation.scale import DAYS, filled, measured


@pytest.mark.parametrize(("key", "cells"), [(None, 279), ("service", 279), ("tenant", 27_900)])
def test_a_bill_of_many_charges_that_says_the_same_is_equal(
    tmp_path: Path, key: str | None, cells: int
) -> None:
    done = measured(filled(tmp_path / "charges.duckdb", 30_000), 30_000, key)
    assert (done.cells, done.unequal) == (cells, 0)


def test_a_bill_that_differs_everywhere_is_told_so(tmp_path: Path) -> None:
    done = measured(filled(tmp_path / "charges.duckdb", 3_000), 3_000, off=1)
    assert (done.cells, done.unequal) == (279, 279)


def test_what_is_compared_grows_by_days_and_not_by_half_hours(tmp_path: Path) -> None:
    sink = filled(tmp_path / "charges.duckdb", 30_000)
    found = ours(sink, selection_of_days(DAYS, timezone.utc), ("openai",))
    assert len(found) == 31 * 3 * 9, "days, their ends and the rest, models and leaves"
    edges = {day_and_edge(one.slot, timezone.utc) for one in found}
    assert len(edges) == 31 * 3
