"""The short form of what `make faults-act` shows of notices."""

from __future__ import annotations

import pytest

from tests.faults.alerts import rows


@pytest.mark.service  # what it starts is our own; it takes half a minute
def test_crossings_arrive_through_kills_and_in_time() -> None:
    found = list(rows(short=True))
    assert len(found) == 2
    assert [row for row in found if not row.held] == []
