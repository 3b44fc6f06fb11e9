"""The book and the contracts that a ledger works by now.

A ledger remembers its contracts: a run that names none goes on with the last, so that nobody's discount is lost because
a setting was missing. Each version that was ever used is kept by its digest, beside the ledger and not in a journal,
which applications can read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.ledger.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.contract_file import read_contracts
from otel_genai_cost.ledger.rerate import Terms
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.pricing.book import Book

__all__ = ["InForce", "kept_contracts"]

_logger = logging.getLogger("otel_genai_cost")
_CONTRACTS: Final = "contracts"


def kept_contracts(home: Path, ledger: Ledger) -> Contracts:
    """The contracts that the ledger had last; none if it never had any. Raises LedgerError if they are lost."""
    digest = ledger.noted(_CONTRACTS)
    if not digest:
        return LIST_PRICES
    document = stored_book(home, digest)
    if document is None:
        raise LedgerError(
            f"the contracts {digest[:12]} that this ledger bills by are not in {home / 'books'}; "
            "set OTEL_GENAI_COST_CONTRACTS or pass --contracts FILE, a file without any to bill list prices"
        )
    return read_contracts(document, f"books/{digest}.json")


class InForce:
    """Asks for the book and the contracts each round, and keeps contracts that are new."""

    def __init__(
        self,
        home: Path,
        ledger: Ledger,
        book: Callable[[], Book] | None,
        contracts: Callable[[], Contracts] | None,
    ) -> None:
        self._home, self._ledger, self._book, self._contracts = home, ledger, book, contracts
        self._kept = kept_contracts(home, ledger) if contracts is None else LIST_PRICES
        self._digest = ledger.noted(_CONTRACTS)

    def now(self) -> Terms:
        """The terms of this round."""
        contracts = self._kept if self._contracts is None else self._contracts()
        if contracts.digest is not None and contracts.digest != self._digest:
            self._keep(contracts)
        return Terms(None if self._book is None else self._book(), contracts)

    def _keep(self, contracts: Contracts) -> None:
        store_book(self._home, str(contracts.digest), contracts.document)
        if self._digest is not None:
            _logger.warning(
                "the contracts changed (%.12s, before %.12s); calls booked so far keep their lines until "
                "`genai-cost rerate --contracts-only`",
                contracts.digest,
                self._digest,
            )
        self._ledger.note(_CONTRACTS, str(contracts.digest))
        self._digest = contracts.digest
