"""The short form of `make faults` and `make faults-act`: every row of every file holds."""

from __future__ import annotations

import pytest

from tests.faults.run import found, named


@pytest.mark.service  # what most of them start is our own; each takes up to a minute
@pytest.mark.parametrize("name", named())
def test_every_row_holds(name: str) -> None:
    rows = list(found([name], short=True))
    assert rows
    assert [row for row in rows if not row.held] == []
