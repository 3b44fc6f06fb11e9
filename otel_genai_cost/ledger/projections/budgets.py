"""Budgets: their versions, as they were decided, and what is booked of each."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.counters import COUNTER_SCHEMA, Counter, Counters, Place
from otel_genai_cost.ledger.projections.projection import EntriesSince
from otel_genai_cost.limits.budget import Budget, Measure, budget_of, budget_record, numbered
from otel_genai_cost.limits.measures import Measures

__all__ = ["BUDGET", "Budgets"]

_logger = logging.getLogger("otel_genai_cost")

BUDGET: Final = "budget"
"""The type of the event that is a version of a budget."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS budget (
    n INTEGER PRIMARY KEY,
    body TEXT NOT NULL UNIQUE
);
"""
_RATES: Final = "budget_rates"
_REFILL_BATCH: Final = 5_000


class Budgets:
    """The tables in an open ledger.

    Args:
        db: its connection.
        since: gives its entries.
        contracts: gives its exchange rates.
    """

    name = "budgets"
    schema = _SCHEMA + COUNTER_SCHEMA
    decisions: tuple[str, ...] = (BUDGET,)

    def __init__(
        self, db: sqlite3.Connection, since: EntriesSince, contracts: Callable[[], Contracts]
    ) -> None:
        self._db, self._since, self._contracts = db, since, contracts
        self._counters = Counters(db, contracts)
        self._known_n = -1
        self._versions: Mapping[str, Sequence[Budget]] = {}
        self._measures = Measures(())

    def book(self, entries: Sequence[Entry]) -> None:
        """Count entries in every budget that they concern."""
        self._refresh()
        if self._measures:
            self._count_again_by_new_rates(entries[0].seq)
            self._counters.count(entries, self._measures)

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Take a version of a budget. What is not counted for any yet is counted from all entries there are."""
        try:
            budget = budget_of(event)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            _logger.error("a budget that was decided cannot be read, and does not hold: %r", error)
            return
        self._refresh()
        is_new = not self._measures.knows(budget.series)
        body = encode(budget_record(budget)).decode()
        self._db.execute("INSERT OR IGNORE INTO budget (body) VALUES (?)", (body,))
        if is_new:
            self._fill([budget.measure])

    def _fill(self, measures: Iterable[Measure], before_seq: int | None = None) -> None:
        """Make the counters of measures anew, from the entries before a seq; from all if none is given."""
        wanted = Measures(measures)
        for series in wanted.currencies:
            self._counters.forget(series)
        batch: list[Entry] = []
        for entry in self._since(0):
            if before_seq is not None and entry.seq >= before_seq:
                break
            batch.append(entry)
            if len(batch) == _REFILL_BATCH:
                self._counters.count(batch, wanted)
                batch.clear()
        self._counters.count(batch, wanted)

    def _count_again_by_new_rates(self, before_seq: int) -> None:
        """Rates that are new hold for what is booked already, too: a sum follows from the entries and the rates."""
        digest = str(self._contracts().rates_digest)
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (_RATES,)).fetchone()
        if found is not None and found[0] == digest:
            return
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (_RATES, digest))
        foreign = self._counters.with_foreign()
        if foreign:
            self._fill(map(self._measures.of, foreign), before_seq)

    def active(self, at_us: int) -> tuple[Budget, ...]:
        """The version of each budget that holds at a time, by id.

        Args:
            at_us: unix microseconds.
        """
        self._refresh()
        found: list[Budget] = []
        for versions in self._versions.values():
            begun = [one for one in versions if one.valid_from_us <= at_us]
            last = max(begun, key=lambda one: (one.valid_from_us, one.version), default=None)
            if last is not None and (last.valid_to_us is None or at_us < last.valid_to_us):
                found.append(last)
        return tuple(found)

    def versions(self, budget_id: str) -> Sequence[Budget]:
        """Every version of a budget, in the order in which they were recorded; none if there is no such budget."""
        self._refresh()
        return tuple(self._versions.get(budget_id, ()))

    def booked(self, series: str, key: str, period_from_us: int) -> int:
        """Atto that are booked of a measure; 0 where nothing is.

        Args:
            series: the measure's, see `Budget.series`.
            key: see `Budget.key`.
            period_from_us: when the period begins, see `Budget.period_at`.
        """
        self._refresh()
        currency = self._measures.currencies.get(series)
        if currency is None:
            return 0
        return self._counters.booked(Place(series, key, period_from_us), currency)

    def counters(self, series: str) -> Sequence[Counter]:
        """Every sum of a measure, by key and period.

        Args:
            series: the measure's.
        """
        return tuple(self._counters.of(series)) if self._is_there else ()

    def _refresh(self) -> None:
        """Read the versions again if there are more: another process may have added some."""
        if not self._is_there:
            return
        (last,) = self._db.execute("SELECT coalesce(max(n), 0) FROM budget").fetchone()
        if last == self._known_n:
            return
        rows = self._db.execute("SELECT body FROM budget")
        found = [budget_of(decode(body.encode())) for (body,) in rows]
        self._versions, self._known_n = numbered(found), last
        self._measures = Measures(one.measure for one in found)

    @property
    def _is_there(self) -> bool:
        """Whether the tables are: a ledger that an older version wrote last, opened to be read, has none."""
        if self._known_n >= 0:
            return True
        found = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'budget'").fetchone()
        return found is not None
