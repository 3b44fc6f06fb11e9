"""The short form of `make faults-act`."""

from __future__ import annotations

import pytest

from tests.faults.run import found


@pytest.mark.service
def test_caps_hold_while_gate_and_ledger_are_killed() -> None:
    assert [row for row in found(["caps"], short=True) if not row.held] == []


@pytest.mark.service
def test_credit_adds_up_while_whoever_grants_holds_and_books_is_killed() -> None:
    assert [row for row in found(["credits"], short=True) if not row.held] == []


@pytest.mark.service
def test_budgets_are_right_while_the_ledger_is_killed() -> None:
    assert [row for row in found(["budgets"], short=True) if not row.held] == []
