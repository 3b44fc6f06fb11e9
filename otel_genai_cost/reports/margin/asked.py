"""The report of margin as it is where nobody asks for anything else: by tenant, in the usual currency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.reports.margin.report import Known, MarginReport, Question, currencies, margin
from otel_genai_cost.reports.revenue.store import revenue_in
from otel_genai_cost.reports.selection import Selection

__all__ = ["TARGET", "margin_by_tenant", "usual_currency"]

TARGET: Final = "0.7"
"""What part of revenue margin should be, where nobody says."""

_OF_LISTS: Final = "USD"


def usual_currency(found: Sequence[str]) -> str:
    """The only currency, else that of price lists, else the first of revenue.

    Args:
        found: the currencies that revenue and costs are in.
    """
    return found[0] if found and (len(found) == 1 or _OF_LISTS not in found) else _OF_LISTS


def margin_by_tenant(
    store: Queryable,
    ledger: Ledger,
    folder: Path,
    selection: Selection,
    now_us: int,
    until_seq: int | None = None,
) -> MarginReport:
    """The rows of `genai-cost margin` without further options, by the contracts that the ledger bills by.

    Args:
        store: what holds the entries.
        ledger: what knows of credit, and of exchange rates.
        folder: the ledger's, where revenue is kept.
        selection: of what time, and which tenants are shown.
        now_us: the time, unix microseconds.
        until_seq: the last entry that counts; None for all.
    """
    rows = revenue_in(folder)
    currency = usual_currency(currencies(store, selection, rows))
    known = Known(rows, list(ledger.credits.burnt()), ledger.contracts, now_us, until_seq)
    question = Question(currency, target=parse_money(TARGET))
    return margin(store, known, selection, question, alone=True)
