"""A folder that is too small, by real processes: the short form of `python -m tests.faults.run journal`."""

from __future__ import annotations

import pytest

from tests.faults.journal import rows


@pytest.mark.service
def test_every_row_holds() -> None:
    found = list(rows(short=True))
    assert len(found) >= 3
    assert [row for row in found if not row.held] == []
