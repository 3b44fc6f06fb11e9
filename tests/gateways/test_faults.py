"""The short form of what `make faults-act` shows of gateways."""

from __future__ import annotations

import pytest

from tests.faults.streams import rows


@pytest.mark.service
def test_streams_are_cut_cleanly_and_one_cap_holds_for_both_ways() -> None:
    found = list(rows(short=True))
    assert len(found) == 2
    assert [row for row in found if not row.held] == []
