"""What all paths of the service share: the store of holds, prices, tokens, and the books to look into."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.gate.blocked import Blocked
from otel_genai_cost.gate.holding import Terms
from otel_genai_cost.gate.store import Operation, Store, StoreUnavailableError
from otel_genai_cost.gate.tokens import Tokens
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.keeping import CONTRACTS_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.pricing.rate import TariffSource
from otel_genai_cost.pricing.watch import Watched

__all__ = ["Gate", "Options"]

_T = TypeVar("_T")
_ANSWER_WITHIN_S: Final = 10.0


class Options(NamedTuple):
    """How a gate works.

    Attributes:
        output_limit: tokens that a call is taken to ask for which names no limit.
        ttl_s: how long a hold lasts of which nothing is heard, unless its request says otherwise.
        lost_after_s: how long it counts after that if its call went out; None until the end of its periods.
        max_lag_s: how far the books may be behind; further, the gate counts as down for budgets that say `closed`.
        body_max: the longest body, bytes.
        tenant_header: the header by which a proxy names the tenant of a request.
    """

    output_limit: int = 16_384
    ttl_s: int = 600
    lost_after_s: int | None = None
    max_lag_s: int = 60
    body_max: int = 65_536
    tenant_header: str = "x-tenant-id"


class Gate:
    """A gate that is open.

    Args:
        store: of the holds.
        tokens: of those who may ask.
        book: gives the price book.
        folder: the ledger's; None where it is on another machine.
        options: how it works.
        clock_us: the time, unix microseconds.
        is_shared: whether the store is one that gates without the ledger share: then it is here only if its file is.
        agreed: gives what customers have agreed where the ledger's own copy of that is not in its folder.

    Attributes:
        decisions: how often each decision was made and each type of refusal; `repeated` are requests that came again.
        passes: what proxies were answered that ask before they let a request through.
        requests: by path and status.
        is_up: whether the store answered when it was last looked at.

    Raises:
        ConfigurationError: if what customers have agreed cannot be read.
    """

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        book: Callable[[], TariffSource],
        folder: Path | None,
        options: Options | None = None,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        *,
        is_shared: bool = False,
        agreed: Callable[[], Contracts] | None = None,
    ) -> None:
        self.store, self.tokens, self.book = store, tokens, book
        self._folder, self._is_shared, self._agreed = folder, is_shared, agreed
        self.options, self.clock_us = options or Options(), clock_us
        self.blocked = Blocked(lambda: self.home, clock_us)
        self.decisions, self.passes = Counter[str](), Counter[str]()
        self.requests = Counter[tuple[str, int]]()
        self.is_up = True
        self._reader = ThreadPoolExecutor(1, "genai-cost gate reader")
        self._contracts: Watched[Contracts] | None = None
        self.refresh()

    @property
    def home(self) -> Path | None:
        """The ledger's folder; None where it is on another machine, as far as can be seen. What is decided is never
        written down where nobody ships it."""
        folder = self._folder
        is_here = folder is not None and (not self._is_shared or (folder / LEDGER_FILE).exists())
        return folder if is_here else None

    @property
    def is_behind(self) -> bool:
        """Whether the books are too far behind to trust."""
        return self.store.lag_us() > self.options.max_lag_s * 1_000_000

    def terms(self) -> Terms:
        """What operations go by now."""
        contracts = self.contracts()
        return Terms(partial(_converted, contracts), self.is_behind, contracts.currencies)

    def contracts(self) -> Contracts:
        """What customers have agreed, as the ledger bills it."""
        if self._contracts is not None:
            return self._contracts.value
        return LIST_PRICES if self._agreed is None else self._agreed()

    def refresh(self) -> None:
        """Read again what customers have agreed, if it changed."""
        if self._contracts is not None:
            self._contracts.refresh()
        elif self._folder is not None and (path := self._folder / CONTRACTS_FILE).exists():
            self._contracts = Watched("the contracts", lambda: load_contracts(path), [path])

    async def run(self, operation: Operation[_T]) -> _T:
        """What an operation on the holds comes to.

        Args:
            operation: to run.

        Raises:
            StoreUnavailableError: if the store does not answer.
        """
        future = asyncio.wrap_future(self.store.submit(operation))
        try:
            return await asyncio.wait_for(future, _ANSWER_WITHIN_S)
        except asyncio.TimeoutError:
            raise StoreUnavailableError("the store did not answer in time") from None

    async def ask(self, question: Callable[[Ledger], _T]) -> _T:
        """What the ledger answers, read as it stands.

        Args:
            question: reads the ledger.

        Raises:
            StoreUnavailableError: if there is none here, or it cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._reader, self._answered, question
        )

    def _answered(self, question: Callable[[Ledger], _T]) -> _T:
        home = self.home
        if home is None:
            raise StoreUnavailableError("the ledger is on another machine")
        try:
            with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
                return question(ledger)
        except (LedgerError, sqlite3.Error) as error:
            raise StoreUnavailableError(str(error)) from None

    def close(self) -> None:
        """Finish what was asked, and let go of the store."""
        self.store.close()
        self._reader.shutdown()


def _converted(contracts: Contracts, amount: int, base: str, quote: str, at_us: int) -> int | None:
    row = contracts.exchange_rate(base, quote, at_us)
    return None if row is None else -(-amount * row.rate // ATTO)
