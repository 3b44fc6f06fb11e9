"""The short form of `make faults-act`."""

from __future__ import annotations

import pytest

from tests.faults.run import found


@pytest.mark.service
def test_caps_hold_while_gate_and_ledger_are_killed() -> None:
    assert [row for row in found(["caps"], short=True) if not row.held] == []
