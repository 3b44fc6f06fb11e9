"""Holds in the ledger's own file: what is committed is read where it is booked, so nothing lags and nothing drifts."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from otel_genai_cost.errors import GenAICostError, LedgerLockedError, fence
from otel_genai_cost.gate.batches import Batches, Pending
from otel_genai_cost.gate.store import Operation, StoreUnavailableError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.ledger.lag import Lag
from otel_genai_cost.ledger.projections.credit_standing import (
    NO_CREDIT,
    CreditStanding,
    credit_standings,
)
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.credit_budget import credit_tenant
from otel_genai_cost.limits.hold import Committed, Hold, HoldEvent, Place

__all__ = ["SqliteStore"]

_T = TypeVar("_T")
_FAILED: Final = "the operation failed, and nothing of it took effect"


class SqliteStore:
    """Holds in `ledger.sqlite`, beside the shipper: one thread writes, up to 256 operations a transaction.

    Args:
        home: the ledger's folder.
        journals: whose calls are booked there: by these it is known how far behind the books are.
        clock_us: the time, unix microseconds.
    """

    def __init__(
        self,
        home: Path,
        journals: Sequence[Path],
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._path, self._clock_us = home / LEDGER_FILE, clock_us
        self._lag = Lag(journals, clock_us)
        self._ledger: Ledger | None = None
        self._inode = 0
        self._batches = Batches("genai-cost gate", self._run, self._end)

    def submit(self, operation: Operation[_T]) -> Future[_T]:
        return self._batches.submit(operation)

    def lag_us(self) -> int:
        return self._lag.now_us

    def close(self) -> None:
        self._batches.close()

    def _run(self, batch: Sequence[Pending]) -> None:
        try:
            ledger = self._opened()
            self._lag.look(ledger)
            results = self._transact(ledger, batch)
        except (sqlite3.Error, OSError, GenAICostError) as error:
            self._end()
            results = [StoreUnavailableError(f"the ledger cannot be written: {error}")] * len(batch)
        for pending, result in zip(batch, results, strict=True):
            pending.done(result)

    def _transact(self, ledger: Ledger, batch: Sequence[Pending]) -> list[object]:
        with ledger.transaction():
            transaction = _Transaction(ledger, self._clock_us())
            return [_done(transaction, pending) for pending in batch]

    def _opened(self) -> Ledger:
        """The ledger that is there now: one that was rebuilt meanwhile is another file."""
        found = self._path.stat().st_ino if self._path.exists() else 0
        if self._ledger is None or found != self._inode:
            self._end()
            self._ledger = self._made() if not found else Ledger(self._path)
            self._inode = self._path.stat().st_ino
        return self._ledger

    def _made(self) -> Ledger:
        """A new one, unless a shipper is about to make it."""
        try:
            with writer_lock(self._path.parent):
                return Ledger(self._path)
        except LedgerLockedError:
            raise StoreUnavailableError("there is no ledger yet") from None

    def _end(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            with suppress(sqlite3.Error):
                ledger.close()


def _done(transaction: _Transaction, pending: Pending) -> object:
    """What an operation comes to; of one that fails nothing stays, and the others of its batch go on."""
    with fence("gate.operation"), transaction.ledger.attempt():
        return pending.operation(transaction)
    return StoreUnavailableError(_FAILED)


class _Transaction:
    """One of the ledger's file."""

    def __init__(self, ledger: Ledger, now_us: int) -> None:
        self.ledger, self._now_us = ledger, now_us
        self._booked: dict[Place, int] = {}
        self._budgets: tuple[Budget, ...] | None = None

    @property
    def now_us(self) -> int:
        return self._now_us

    def budgets(self) -> tuple[Budget, ...]:
        if self._budgets is None:
            self._budgets = self.ledger.budgets.active(self._now_us)
        return self._budgets

    def find(self, hold_id: str) -> Hold | None:
        return self.ledger.holds.find(hold_id)

    def committed(self, place: Place) -> Committed:
        booked = self._booked.get(place)
        if booked is None:
            booked = self._booked[place] = self._read(place)
        return Committed(booked, *self.ledger.holds.sums(place))

    def _read(self, place: Place) -> int:
        tenant = credit_tenant(place)
        if tenant is None:
            return self.ledger.budgets.booked(*place)
        sums = self.ledger.credits.sums(self._now_us, tenant)
        self._booked.update(sums)
        return sums.get(place, 0)

    def write(self, before: Hold | None, after: Hold) -> None:
        self.ledger.holds.write(before, after)

    def due(self, limit: int) -> list[tuple[Hold, HoldEvent]]:
        return self.ledger.holds.due(self._now_us, limit)

    def open(self, tenant: str | None = None) -> list[Hold]:
        return self.ledger.holds.open(tenant)

    def keys(self, series: str, period_from_us: int) -> list[str]:
        counted = {
            one.place.key
            for one in self.ledger.budgets.counters(series)
            if one.place.period_from_us == period_from_us
        }
        return sorted(counted.union(self.ledger.holds.keys(series, period_from_us)))

    def credit(self, tenant: str) -> tuple[int, CreditStanding]:
        seq = self.ledger.entries.last_seq()
        found = credit_standings(self.ledger.credits, self._now_us, seq, [tenant])
        return seq, found.get(tenant, NO_CREDIT)

    def prune(self) -> None:
        self.ledger.holds.prune(self._now_us)
