"""What is booked of each measure in each period: sums kept beside the entries, exact, and made in the same transaction.

An entry counts in the period in which its call occurred. In another currency than the measure's it is converted by the
row of exchange rates of that time; where there is none, it is kept in its own currency and shown as unconverted.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.limits.budget import Dimensions, Measure
from otel_genai_cost.limits.hold import Place
from otel_genai_cost.limits.measures import Measures
from otel_genai_cost.limits.model_name import counted_as
from otel_genai_cost.limits.period import ALWAYS, PeriodKind, period
from otel_genai_cost.pricing.money import ATTO, divide_half_even

__all__ = ["COUNTER_SCHEMA", "Change", "Counter", "Counters", "dimensions_of"]

COUNTER_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS counter (
    series TEXT NOT NULL,
    key TEXT NOT NULL,
    period_from INTEGER NOT NULL,
    currency TEXT NOT NULL,
    period_to INTEGER NOT NULL,
    booked TEXT NOT NULL,
    calls INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    foreign_entries INTEGER NOT NULL,
    late_entries INTEGER NOT NULL,
    PRIMARY KEY (series, key, period_from, currency)
) WITHOUT ROWID;
"""

_PERIODS_MAX: Final = 20_000

_Cycle = tuple[PeriodKind, str, int]
"""Kind, zone and anchor of periods."""


class Change(NamedTuple):
    """What a sum was and is, in atto of the measure's currency; when its period ends, and when the last call occurred
    that changed it (unix microseconds)."""

    before: int
    after: int
    period_to_us: int
    last_us: int


class Counter(NamedTuple):
    """A sum as it stands.

    Attributes:
        place: of which measure, key and period.
        currency: the measure's; that of the entries where they are not converted.
        period_to_us: the first instant after the period, unix microseconds.
        booked: atto.
        calls, unpriced: how many calls it counts, and how many of them have no price.
        foreign_entries: how many entries were in another currency than the measure's.
        late_entries: how many were booked after the period's end. A ledger that is rebuilt booked all of them late.
    """

    place: Place
    currency: str
    period_to_us: int
    booked: int = 0
    calls: int = 0
    unpriced: int = 0
    foreign_entries: int = 0
    late_entries: int = 0

    def plus(self, other: Counter) -> Counter:
        """The sums of both."""
        return self._replace(
            booked=self.booked + other.booked,
            calls=self.calls + other.calls,
            unpriced=self.unpriced + other.unpriced,
            foreign_entries=self.foreign_entries + other.foreign_entries,
            late_entries=self.late_entries + other.late_entries,
        )


class Counters:
    """The table in an open ledger.

    Args:
        db: its connection.
        contracts: gives the exchange rates.
    """

    def __init__(self, db: sqlite3.Connection, contracts: Callable[[], Contracts]) -> None:
        self._db, self._contracts = db, contracts
        self._periods: dict[_Cycle, _Periods] = {}

    def count(self, entries: Iterable[Entry], measures: Measures) -> dict[Place, Change]:
        """Add entries to the sums, inside the caller's transaction.

        Returns:
            The sums in the measures' own currencies that were changed.
        """
        sums: dict[tuple[str, str, int, str], _Sum] = {}
        for entry in entries:
            for measure, series, key in measures.matching(dimensions_of(entry)):
                amount, currency = entry.amount, entry.currency
                if measure.side == "price":
                    amount, currency = entry.price, entry.price_currency
                is_foreign = currency != measure.currency
                if is_foreign:
                    amount, currency = self._converted(amount, currency, entry, measure.currency)
                from_us, to_us = self._period(measure, entry.occurred_us)
                at = (series, key, from_us, currency)
                if (one := sums.get(at)) is None:
                    one = sums[at] = _Sum(to_us)
                one.add(entry, amount, is_foreign=is_foreign)
        return dict(self._added(sums, measures))

    def _period(self, measure: Measure, at_us: int) -> tuple[int, int]:
        cycle = measure[1:4]
        periods = self._periods.get(cycle)
        if periods is None:
            periods = self._periods[cycle] = _Periods(cycle)
        return periods.at(at_us)

    def _added(
        self, sums: Mapping[tuple[str, str, int, str], _Sum], measures: Measures
    ) -> Iterator[tuple[Place, Change]]:
        """Write what is added, and say what that changes."""
        for (series, key, from_us, currency), one in sums.items():
            place = Place(series, key, from_us)
            added = Counter(
                place,
                currency,
                one.period_to_us,
                booked=one.booked,
                calls=one.calls,
                unpriced=one.unpriced,
                foreign_entries=one.foreign_entries,
                late_entries=one.late_entries,
            )
            known = self._row(place, currency)
            after = added if known is None else known.plus(added)
            self._write(after)
            if currency == measures.currencies[series]:
                before = 0 if known is None else known.booked
                yield place, Change(before, after.booked, after.period_to_us, one.last_us)

    def _converted(self, amount: int, base: str, entry: Entry, quote: str) -> tuple[int, str]:
        if not amount:
            return 0, quote
        row = self._contracts().exchange_rate(base, quote, entry.occurred_us)
        if row is None:
            return amount, base
        return divide_half_even(amount * row.rate, ATTO), quote

    def _row(self, place: Place, currency: str) -> Counter | None:
        found = self._db.execute(
            "SELECT period_to, booked, calls, unpriced, foreign_entries, late_entries FROM counter"
            " WHERE series = ? AND key = ? AND period_from = ? AND currency = ?",
            (*place, currency),
        ).fetchone()
        if found is None:
            return None
        period_to, booked, *counts = found
        return Counter(place, currency, period_to, int(booked), *counts)

    def _write(self, one: Counter) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO counter VALUES (?,?,?,?,?,?,?,?,?,?)",
            (*one.place, one.currency, one.period_to_us, str(one.booked), *one[4:]),
        )

    def booked(self, place: Place, currency: str) -> int:
        """Atto that are booked there; 0 where nothing is."""
        found = self._row(place, currency)
        return 0 if found is None else found.booked

    def of(self, series: str, at_us: int | None = None) -> Iterator[Counter]:
        """The sums of a measure, by key and period.

        Args:
            series: the measure's.
            at_us: only those of periods that are not over by then, unix microseconds; None for all.
        """
        rows = self._db.execute(
            "SELECT * FROM counter WHERE series = ? AND period_to > ?",
            (series, ALWAYS[0] if at_us is None else at_us),
        )
        for own, key, from_us, currency, to_us, booked, *counts in rows:
            yield Counter(Place(own, key, from_us), currency, to_us, int(booked), *counts)

    def going_on(self, series: str, currency: str, now_us: int) -> Iterator[Counter]:
        """The sums of a measure whose periods are not over.

        Args:
            series: the measure's.
            currency: the measure's.
            now_us: unix microseconds.
        """
        return (one for one in self.of(series, now_us) if one.currency == currency)

    def forget(self, series: str) -> None:
        """Drop the sums of a measure, to make them anew."""
        self._db.execute("DELETE FROM counter WHERE series = ?", (series,))

    def with_foreign(self) -> list[str]:
        """The series that count entries in another currency."""
        rows = self._db.execute("SELECT DISTINCT series FROM counter WHERE foreign_entries > 0")
        return [series for (series,) in rows]


def dimensions_of(entry: Entry) -> Dimensions:
    """What budgets look at, of an entry."""
    attribution = entry.attribution
    return counted_as({**attribution.labels, "tenant": attribution.tenant, "model": entry.model})


class _Sum:
    """What is added to a sum, entry by entry."""

    __slots__ = (
        "booked",
        "calls",
        "foreign_entries",
        "last_us",
        "late_entries",
        "period_to_us",
        "unpriced",
    )

    def __init__(self, period_to_us: int) -> None:
        self.period_to_us, self.last_us = period_to_us, -(1 << 62)
        self.booked = self.calls = self.unpriced = self.foreign_entries = self.late_entries = 0

    def add(self, entry: Entry, amount: int, *, is_foreign: bool) -> None:
        self.booked += amount
        self.calls += entry.calls
        self.unpriced += entry.unpriced
        if is_foreign:
            self.foreign_entries += 1
        if entry.booked_us >= self.period_to_us:
            self.late_entries += 1
        if entry.occurred_us > self.last_us:
            self.last_us = entry.occurred_us


class _Periods:
    """Those of one cycle that were asked for, so that each is worked out once."""

    def __init__(self, cycle: _Cycle) -> None:
        self._cycle = cycle
        self._begins: list[int] = []
        self._ends: list[int] = []

    def at(self, at_us: int) -> tuple[int, int]:
        place = bisect_right(self._begins, at_us)
        if place and at_us < self._ends[place - 1]:
            return self._begins[place - 1], self._ends[place - 1]
        kind, zone, anchor = self._cycle
        from_us, to_us = period(kind, zone, anchor, at_us)
        if from_us <= at_us < to_us and len(self._begins) < _PERIODS_MAX:
            self._begins.insert(place, from_us)
            self._ends.insert(place, to_us)
        return from_us, to_us
