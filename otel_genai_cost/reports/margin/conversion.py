"""One currency for a whole report, by the dated exchange rates of contracts; what has no rate stays what it is."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.pricing.money import ATTO

__all__ = ["FINE", "Conversion"]

FINE: Final = ATTO
"""Amounts of a report are integers of 1e-36: an amount times a rate is one of these, and nothing is rounded until all
is added up."""


class Conversion:
    """Into one currency.

    Args:
        contracts: where exchange rates stand. Only a rate from a currency into this one counts, never its inverse.
        currency: of the report.
    """

    def __init__(self, contracts: Contracts, currency: str) -> None:
        self._contracts, self.currency = contracts, currency
        rows = [one for one in contracts.exchange_rates if one.quote == currency]
        begins, ends = {one.from_us for one in rows}, {one.to_us for one in rows}
        self.changes = tuple(sorted(begins | {us for us in ends if us is not None}))
        """When a rate begins or ends, unix microseconds: from one to the next all amounts have the same."""

    def fine(self, amount: int, currency: str, at_us: int) -> int | None:
        """An amount in 1e-36 of the report's currency; None without a rate.

        Args:
            amount: atto.
            currency: of the amount.
            at_us: when it arose, unix microseconds.
        """
        if currency == self.currency or not amount:
            return amount * FINE
        row = self._contracts.exchange_rate(currency, self.currency, at_us)
        return None if row is None else amount * row.rate
