"""The book and the contracts that a ledger works by now.

A ledger remembers its contracts: a run that names none goes on with the last, so that nobody's discount is lost because
a setting was missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.usage.leaves import Usage

__all__ = ["ActiveTerms", "Terms"]

_logger = logging.getLogger("otel_genai_cost")


class Terms(NamedTuple):
    """What charges are rated by: a book, or None for the list prices they are booked with, and the contracts. With a
    book, `used` says which usage is rated in place of each call's; by such terms nothing is posted."""

    book: Book | None
    contracts: Contracts = LIST_PRICES
    used: Callable[[Usage], Usage] | None = None

    @property
    def digest(self) -> str | None:
        """The cause of an entry that these terms bring about."""
        return self.contracts.digest if self.book is None else self.book.digest


class ActiveTerms:
    """Asks for the book and the contracts each round, and has the ledger bill by contracts that are new.

    Args:
        ledger: what bills by them.
        book: the price book as it is now; None if charges are not rated again.
        contracts: the contracts as they are now; None for those that the ledger had last.

    Raises:
        LedgerError: if no contracts are given and those that the ledger had are lost.
    """

    def __init__(
        self,
        ledger: Ledger,
        book: Callable[[], Book] | None,
        contracts: Callable[[], Contracts] | None,
    ) -> None:
        self._ledger, self._book, self._contracts = ledger, book, contracts
        if contracts is None:
            _ = ledger.contracts  # read now, or refuse

    def now(self) -> Terms:
        """The terms of this round."""
        if self._contracts is not None:
            self._take(self._contracts())
        return Terms(None if self._book is None else self._book(), self._ledger.contracts)

    def _take(self, contracts: Contracts) -> None:
        before = self._ledger.contracts_digest
        if contracts.digest == before or contracts.digest is None:
            self._ledger.contracts = contracts
            return
        self._ledger.bill_by(contracts)
        if before is not None:
            _logger.warning(
                "the contracts changed (%.12s, before %.12s); calls booked so far keep their lines until "
                "`genai-cost rerate --contracts-only`",
                contracts.digest,
                before,
            )
