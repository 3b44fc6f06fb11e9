"""Budgets of exactly the calls and the period that a page speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Final, NamedTuple

from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.hold import Place
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.tables import EXACT

__all__ = ["BudgetLine", "budget_lines"]

_ORGANISATION: Final = "organisation"


class BudgetLine(NamedTuple):
    """A budget in the period of a page.

    Attributes:
        id: of the budget.
        currency: of its amounts.
        limit: its hard limit, or the soft one where there is no other.
        booked: what is spent of it.
        share: the same of the limit; None of a limit of nothing.
    """

    id: str
    currency: str
    limit: Decimal
    booked: Decimal
    share: Decimal | None


def budget_lines(data: Data, asked: Asked, viewer: Viewer) -> list[BudgetLine]:
    """The budgets of everything together that have this period; none where a part of the calls is shown.

    Args:
        data: where the ledger is.
        asked: for which calls.
        viewer: who asks; budgets of everything are for those who may see everything.
    """
    chosen = asked.selection
    if chosen.is_by_tenant or chosen.models or chosen.features or not viewer.sees_all:
        return []
    if chosen.from_us is None or chosen.to_us is None or not data.standing.ledger_id:
        return []
    with closing(data.ledger()) as ledger:
        return list(_lines(ledger, asked, min(data.now_us, chosen.to_us - 1)))


def _lines(ledger: Ledger, asked: Asked, at_us: int) -> Iterator[BudgetLine]:
    chosen = asked.selection
    for budget in ledger.budgets.active(at_us):
        period = budget.period_at(at_us)
        is_meant = not budget.scope and budget.side == chosen.side
        if is_meant and budget.limit is not None and period == (chosen.from_us, chosen.to_us):
            booked = ledger.budgets.booked(*Place(budget.series, _ORGANISATION, period[0]))
            yield _line(budget, budget.limit, booked)


def _line(budget: Budget, limit: int, booked: int) -> BudgetLine:
    most, spent = Decimal(format_money(limit)), Decimal(format_money(booked))
    return BudgetLine(
        budget.id, budget.currency, most, spent, EXACT.divide(spent, most) if most else None
    )
