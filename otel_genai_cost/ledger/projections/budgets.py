"""Budgets: their versions, as they were decided, what is booked of each, and what was crossed by that."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.counters import (
    COUNTER_SCHEMA,
    Change,
    Counter,
    Counters,
)
from otel_genai_cost.ledger.projections.crossings import (
    CROSSING,
    CROSSING_SCHEMA,
    Crossed,
    Crossings,
)
from otel_genai_cost.ledger.projections.projection import EntriesSince
from otel_genai_cost.limits.budget import Budget, Measure, budget_of, budget_record
from otel_genai_cost.limits.crossing import Crossing, Level
from otel_genai_cost.limits.dated import Dated
from otel_genai_cost.limits.hold import Place
from otel_genai_cost.limits.measures import Measures
from otel_genai_cost.limits.notice import Notice

__all__ = ["BUDGET", "Budgets", "budgets_in"]

_logger = logging.getLogger("otel_genai_cost")

BUDGET: Final = "budget"
"""The type of the event that is a version of a budget; others that were decided in the same go are in its `with`."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS budget (
    n INTEGER PRIMARY KEY,
    body TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS budget_applied (id TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
"""
"""`budget_applied`: against which version of each the sums were held last."""

_RATES: Final = "budget_rates"
_APPLIED: Final = "budget_stage"
_NEVER_US: Final = -(1 << 62)
_REFILL_BATCH: Final = 5_000


class Budgets:
    """The tables in an open ledger.

    Args:
        db: its connection.
        since: gives its entries.
        contracts: gives its exchange rates.
        write: writes events down, for good.
        queue: has a notice sent.
    """

    name = "budgets"
    schema = _SCHEMA + COUNTER_SCHEMA + CROSSING_SCHEMA
    decisions: tuple[str, ...] = (BUDGET, CROSSING)

    def __init__(
        self,
        db: sqlite3.Connection,
        since: EntriesSince,
        contracts: Callable[[], Contracts],
        write: Callable[[Iterable[Mapping[str, Any]]], None],
        queue: Callable[[Notice], None],
    ) -> None:
        self._db, self._since, self._contracts = db, since, contracts
        self._counters, self._crossings = Counters(db, contracts), Crossings(db, write, queue)
        self._known_n: int = -1
        self._dated = Dated(())
        self._measures = Measures(())

    def book(self, entries: Sequence[Entry]) -> None:
        """Count entries in every budget that they concern, and take note of what that crosses."""
        self._refresh()
        if not self._measures:
            return
        now_us = self.pass_time(max(entry.booked_us for entry in entries))
        self._count_again_by_new_rates(entries[0].seq, now_us)
        self._judge(self._counters.count(entries, self._measures), now_us)

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Take versions of budgets, or what was crossed. What is not counted for any budget yet is counted from all
        entries there are."""
        if event["type"] == CROSSING:
            self._crossings.take(event)
            return
        self._refresh()
        found = list(budgets_in(event))
        self._db.executemany(
            "INSERT OR IGNORE INTO budget (body) VALUES (?)",
            [(encode(budget_record(one)).decode(),) for one in found],
        )
        self._fill(one.measure for one in found if not self._measures.knows(one.series))
        self._refresh()
        self.pass_time(now_us)

    def is_due(self, now_us: int) -> bool:
        """Whether a version began or ended that the sums were not held against yet.

        Args:
            now_us: unix microseconds.
        """
        self._refresh()
        n, stage, last_us = self._applied()
        return (n, stage) != (self._known_n, self._dated.stage(max(now_us, last_us)))

    def _applied(self) -> tuple[int, int, int]:
        """Up to which row and which stage, and when. Unless there are budgets, there is nothing to apply."""
        found = self._noted(_APPLIED)
        if not found:
            return (-1 if self._measures else self._known_n, 0, _NEVER_US)
        n, stage, at_us = map(int, found.split())
        return n, stage, at_us

    def pass_time(self, now_us: int) -> int:
        """Hold the sums against the versions that are active now, inside the caller's transaction: a limit that was
        raised takes back what was crossed, one that was lowered is crossed.

        Args:
            now_us: unix microseconds.

        Returns:
            The time; where the clock went back, that until which it was done already.
        """
        _, _, last_us = self._applied()
        now_us = max(now_us, last_us)
        if self.is_due(now_us):
            for at_us in (*self._dated.between(last_us, now_us), now_us):
                self._apply_at(at_us, now_us)
            self._note(_APPLIED, f"{self._known_n} {self._dated.stage(now_us)} {now_us}")
        return now_us

    def _apply_at(self, at_us: int, now_us: int) -> None:
        rows = self._db.execute("SELECT id, version FROM budget_applied")
        applied: dict[str, int] = dict(rows)
        active = {one.id: one for one in self._dated.active(at_us)}
        for budget_id in sorted(applied.keys() | active.keys()):
            old = self._dated.version(budget_id, applied.get(budget_id))
            new = active.get(budget_id)
            if old != new:
                self._replace(old, new, at_us if new is None else _begin_us(new), now_us)
        self._db.execute("DELETE FROM budget_applied")
        self._db.executemany(
            "INSERT INTO budget_applied VALUES (?,?)",
            [(one.id, one.version) for one in active.values()],
        )

    def _replace(self, old: Budget | None, new: Budget | None, since_us: int, now_us: int) -> None:
        """Hold the sums of periods that are not over by then against a new version."""
        if old is not None and new is not None and old.series == new.series:
            self._hold_against(new, old.marks, new.marks, since_us, now_us)
            return
        if old is not None:
            self._hold_against(old, old.marks, {}, since_us, now_us)
        if new is not None:
            self._hold_against(new, {}, new.marks, since_us, now_us)

    def _hold_against(
        self,
        budget: Budget,
        before: Mapping[str, int],
        after: Mapping[str, int],
        since_us: int,
        now_us: int,
    ) -> None:
        for one in self._counters.going_on(budget.series, budget.currency, since_us):
            levels = Level(one.booked, before), Level(one.booked, after)
            late = one.period_to_us <= now_us
            self._crossings.note(budget, one.place, one.period_to_us, levels, since_us, late=late)

    def _judge(self, changes: Mapping[Place, Change], now_us: int) -> None:
        """Take note of what changes of sums cross. No budget judges a period that was over when it was decided."""
        judges: dict[int | None, Mapping[str, Sequence[Budget]]] = {}
        for place, change in changes.items():
            late = change.period_to_us <= now_us
            since_us = change.period_to_us if late else None
            if since_us not in judges:
                judges[since_us] = self._dated.by_series(
                    now_us if since_us is None else since_us - 1, since_us
                )
            for budget in judges[since_us].get(place.series, ()):
                levels = Level(change.before, budget.marks), Level(change.after, budget.marks)
                self._crossings.note(
                    budget, place, change.period_to_us, levels, change.last_us, late=late
                )

    def _fill(self, measures: Iterable[Measure], before_seq: int | None = None) -> None:
        """Make the counters of measures anew, from the entries before a seq; from all if none is given."""
        wanted = Measures(measures)
        if not wanted:
            return
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

    def _count_again_by_new_rates(self, before_seq: int, now_us: int) -> None:
        """Rates that are new hold for what is booked already, too: a sum follows from the entries and the rates."""
        digest = str(self._contracts().rates_digest)
        if self._noted(_RATES) == digest:
            return
        self._note(_RATES, digest)
        for series in self._counters.with_foreign():
            measure = self._measures.of(series)
            before = {one.place: one for one in self._own(measure)}
            self._fill([measure], before_seq)
            changes = {
                one.place: Change(
                    before[one.place].booked if one.place in before else 0,
                    one.booked,
                    one.period_to_us,
                    now_us,
                )
                for one in self._own(measure)
            }
            self._judge(changes, now_us)

    def _own(self, measure: Measure) -> list[Counter]:
        """The sums in the measure's currency."""
        found = self._counters.of(measure.series)
        return [one for one in found if one.currency == measure.currency]

    def active(self, at_us: int) -> tuple[Budget, ...]:
        """The version of each budget that holds at a time, by id. The same tuple as long as nothing changes.

        Args:
            at_us: unix microseconds.
        """
        self._refresh()
        return self._dated.active(at_us)

    def every(self) -> Mapping[str, Sequence[Budget]]:
        """Every version, by budget."""
        self._refresh()
        return self._dated.versions

    def versions(self, budget_id: str) -> Sequence[Budget]:
        """Every version of a budget, in the order in which they were recorded; none if there is no such budget."""
        self._refresh()
        return self._dated.versions.get(budget_id, ())

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

    def counters(self, series: str, at_us: int | None = None) -> Sequence[Counter]:
        """The sums of a measure, by key and period.

        Args:
            series: the measure's.
            at_us: only those of periods that are not over by then, unix microseconds; None for all.
        """
        return tuple(self._counters.of(series, at_us)) if self._is_there else ()

    def crossed(self, budget_id: str, place: Place) -> Sequence[Crossed]:
        """What was crossed at a sum, in order of time.

        Args:
            budget_id: of which budget.
            place: where the sum stands.
        """
        return self._crossings.of(budget_id, place) if self._is_there else ()

    def last_crossings(self, budget_id: str, place: Place) -> Mapping[str, Crossing]:
        """The last crossing of each mark at a sum, by the mark's name.

        Args:
            budget_id: of which budget.
            place: where the sum stands.
        """
        return self._crossings.last(budget_id, place) if self._is_there else {}

    def _noted(self, key: str) -> str:
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return "" if found is None else str(found[0])

    def _note(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    def _refresh(self) -> None:
        """Read the versions again if there are more: another process may have added some."""
        if not self._is_there:
            return
        found_n = self._db.execute("SELECT coalesce(max(n), 0) FROM budget").fetchone()
        last = int(found_n[0])
        if last == self._known_n:
            return
        rows = self._db.execute("SELECT body FROM budget")
        found = [budget_of(decode(body.encode())) for (body,) in rows]
        self._dated, self._known_n = Dated(found), last
        self._measures = Measures(one.measure for one in found)

    @property
    def _is_there(self) -> bool:
        """Whether the tables are: a ledger that an older version wrote last, opened to be read, has none."""
        if self._known_n >= 0:
            return True
        found = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'crossing'").fetchone()
        return found is not None


def _begin_us(budget: Budget) -> int:
    """Since when a version holds; the same whenever that is found out."""
    return max(budget.valid_from_us, budget.recorded_at_us)


def budgets_in(event: Mapping[str, Any]) -> Iterator[Budget]:
    """The versions of an event, without their numbers; one that cannot be read is passed over, and said."""
    others: Any = event.get("with", ())
    more = cast("Iterable[Any]", others) if isinstance(others, (list, tuple)) else (others,)
    for record in (event, *more):
        try:
            yield budget_of(record)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            _logger.error("a budget that was decided cannot be read, and does not hold: %r", error)
