"""Holds in the ledger's own file: an open one ends in the transaction that books its charge, so that no amount is
counted twice, and none is missing for a moment.

The gate and the shipper are two processes that write this file; each changes the sums within a transaction that began
with BEGIN IMMEDIATE.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.packed_id import packed_id
from otel_genai_cost.ledger.projections.mirrored import Outcome
from otel_genai_cost.limits.hold import Change, Claim, Hold, HoldEvent, Place, change
from otel_genai_cost.pricing.money import parse_money

__all__ = ["Holds"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS hold (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    state TEXT NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    tenant TEXT,
    expires_us INTEGER NOT NULL,
    ends_us INTEGER NOT NULL,
    body TEXT NOT NULL,
    answer TEXT NOT NULL,
    booked TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hold_expires ON hold (expires_us) WHERE state IN ('held', 'sent');
CREATE INDEX IF NOT EXISTS hold_ends ON hold (ends_us) WHERE state IN ('lost', 'measured');
CREATE INDEX IF NOT EXISTS hold_over ON hold (expires_us) WHERE state IN ('closed', 'void');
CREATE INDEX IF NOT EXISTS hold_tenant ON hold (tenant)
    WHERE state IN ('held', 'sent', 'lost', 'measured');
CREATE TABLE IF NOT EXISTS hold_scope (
    hold_id TEXT NOT NULL,
    series TEXT NOT NULL,
    key TEXT NOT NULL,
    period_from INTEGER NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (hold_id, series, key, period_from)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    series TEXT NOT NULL,
    key TEXT NOT NULL,
    period_from INTEGER NOT NULL,
    open TEXT NOT NULL,
    in_flight TEXT NOT NULL,
    PRIMARY KEY (series, key, period_from)
) WITHOUT ROWID;
"""
"""`amount` is of the whole hold at list prices, and in `hold_scope` of one sum; `held` has those over open holds.
Money is atto, as a decimal integer: SQLite's own end at 9.22 currency units."""

_HOLD: Final = "SELECT id, digest, state, amount, currency, tenant, expires_us, ends_us, body, answer, booked FROM hold"
_CHANGE_HOLD: Final = (
    "UPDATE hold SET state = ?, amount = ?, expires_us = ?, ends_us = ?, booked = ? WHERE id = ?"
)
_KEPT_US: Final = 7 * 86_400_000_000
"""How long a hold that is over is kept after it would have expired, so that a repeated request is known."""

_BATCH: Final = 500

_LIST: Final = ("list", "provider", "share")
"""Lines of what a call came to before any contract; a share is a part of one of these."""

Known = Callable[[Sequence[str]], Iterable["tuple[str, str | None, bool, object]"]]
"""Of observations: id, charge, whether it is settled, and what it cost."""


class Holds:
    """The tables of holds in an open ledger. Everything is called inside the caller's transaction.

    Args:
        db: its connection.
        entries: those of a charge.
        known: says what became of observations.
    """

    name = "holds"
    schema = _SCHEMA
    decisions: tuple[str, ...] = ()

    def __init__(
        self, db: sqlite3.Connection, entries: Callable[[str], Iterable[Entry]], known: Known
    ) -> None:
        self._db, self._entries, self._known = db, entries, known

    def find(self, hold_id: str) -> Hold | None:
        """The hold of that id."""
        return next(iter(self._where("id = ?", (hold_id,))), None)

    def sums(self, place: Place) -> Change:
        """What the open holds take of a counter."""
        row = self._db.execute(
            "SELECT open, in_flight FROM held WHERE series = ? AND key = ? AND period_from = ?",
            place,
        ).fetchone()
        return Change(0, 0) if row is None else Change(int(row[0]), int(row[1]))

    def keys(self, series: str, period_from_us: int) -> list[str]:
        """The keys of a measure that were ever held of in a period.

        Args:
            series: the measure's.
            period_from_us: when the period begins, unix microseconds.
        """
        rows = self._db.execute(
            "SELECT key FROM held WHERE series = ? AND period_from = ?", (series, period_from_us)
        )
        return [key for (key,) in rows]

    def write(self, before: Hold | None, after: Hold) -> None:
        """Put a hold in the place of what it was.

        Args:
            before: as it was found; None for a new one.
            after: as it is from now on.
        """
        if before == after:
            return
        amounts = str(after.amount), str(after.booked)
        if before is None:
            said = after.request, after.answer, amounts[1]
            row = (*after[:3], amounts[0], *after[4:8], *said)
            self._db.execute("INSERT OR REPLACE INTO hold VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)
        else:
            changed = (after.state, amounts[0], after.expires_us, after.ends_us, amounts[1])
            self._db.execute(_CHANGE_HOLD, (*changed, after.id))
        if before is None or before.claims != after.claims:
            rows = [(after.id, *claim.place, str(claim.amount)) for claim in after.claims]
            self._db.executemany("INSERT OR REPLACE INTO hold_scope VALUES (?,?,?,?,?)", rows)
        for place, one in change(before, after).items():
            was = self.sums(place)
            sums = str(was.open + one.open), str(was.in_flight + one.in_flight)
            self._db.execute("INSERT OR REPLACE INTO held VALUES (?,?,?,?,?)", (*place, *sums))

    def due(self, now_us: int, limit: int) -> list[tuple[Hold, HoldEvent]]:
        """Holds whose time is over, and what that makes of them.

        Args:
            now_us: unix microseconds.
            limit: how many at most of each kind.
        """
        expired = self._where(
            "state IN ('held', 'sent') AND expires_us <= ? ORDER BY expires_us LIMIT ?",
            (now_us, limit),
        )
        ended = self._where(
            "state IN ('lost', 'measured') AND ends_us <= ? ORDER BY ends_us LIMIT ?",
            (now_us, limit),
        )
        return [
            *((hold, "expire") for hold in expired),
            *((hold, "end") for hold in ended),
            *((hold, "book") for hold in self._never_charged(limit)),
        ]

    def prune(self, now_us: int) -> None:
        """Forget holds that have been over for a week.

        Args:
            now_us: unix microseconds.
        """
        over = "SELECT id FROM hold WHERE state IN ('closed', 'void') AND expires_us <= ?"
        until = (now_us - _KEPT_US,)
        self._db.execute(f"DELETE FROM hold_scope WHERE hold_id IN ({over})", until)
        self._db.execute(f"DELETE FROM hold WHERE id IN ({over})", until)

    def open(self, tenant: str | None = None) -> list[Hold]:
        """The open holds, of one tenant or of all."""
        is_open = "state IN ('held', 'sent', 'lost', 'measured')"
        if tenant is None:
            return self._where(f"{is_open} ORDER BY id", ())
        return self._where(f"{is_open} AND tenant = ? ORDER BY id", (tenant,))

    def answers(self) -> list[tuple[str, str]]:
        """Charges whose calls were held, as long as their holds are kept, and what was answered, as JSON."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'hold'").fetchone():
            return []  # a ledger that is only read, of an older version
        return self._db.execute(
            "SELECT shown_id(observation.charge_id), hold.answer"
            " FROM hold JOIN observation ON observation.id = packed_id(hold.id)"
            " WHERE observation.charge_id IS NOT NULL ORDER BY observation.n"
        ).fetchall()

    def dispatch(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Note of calls that they went out.

        Args:
            records: the starts of calls, as the journal has them.
        """
        for hold in self._of_ids([record["id"] for record in records if _has_id(record)]):
            self.write(hold, hold.after("dispatch"))

    def measure(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Let holds have the cost of their calls, as soon as it is known.

        Args:
            records: observations, as the journal has them.
        """
        costs = {record["id"]: record.get("cost") for record in records if _has_id(record)}
        for hold in self._of_ids(list(costs)):
            self.write(hold, hold.measured(_total(costs[hold.id])))

    def outcomes(self, holds: Iterable[Hold]) -> list[Outcome]:
        """What is known by now of the calls of holds that are kept elsewhere.

        Args:
            holds: open ones; those of which nothing was heard are left out.
        """
        by_id = {hold.id: hold for hold in holds}
        found = {one: Outcome(one, "dispatch") for one in self._started(by_id.values())}
        rows = list(self._known(list(by_id)))
        unpriced = self._unpriced(row[1] for row in rows if row[1])
        for hold_id, charge_id, is_settled, cost in rows:
            is_booked = charge_id not in unpriced if charge_id else is_settled
            if is_booked:
                found[hold_id] = Outcome(hold_id, "book")
            elif hold_id not in found or found[hold_id].event != "book":
                booked = self._part(charge_id, by_id[hold_id]) if charge_id else 0
                found[hold_id] = Outcome(hold_id, "observe", _total(cost), booked)
        return list(found.values())

    def _started(self, holds: Iterable[Hold]) -> list[str]:
        """The ids of the holds of calls whose start was journalled, and that are not known to have gone out."""
        ids, found = [hold.id for hold in holds if hold.state == "held"], list[str]()
        for part in _parts(ids):
            rows = self._db.execute(f"SELECT id FROM started WHERE id IN ({_marks(part)})", part)
            found.extend(row[0] for row in rows)
        return found

    def book(self, entries: Sequence[Entry]) -> None:
        """Let the holds of charges know that these are booked.

        Args:
            entries: that are being booked.
        """
        self.end(entry.charge_id for entry in entries)

    def end(self, charge_ids: Iterable[str]) -> None:
        """End the holds of these charges: those of calls that joined one that was booked before, by no entry of their
        own, too. One of a charge without a price, or with a price in part, goes on until it has one: what is booked of
        it is no longer held.

        Args:
            charge_ids: of charges that are booked.
        """
        found = self._of_charges(list(dict.fromkeys(charge_ids)))
        unpriced = self._unpriced(charge_id for charge_id, _ in found)
        for charge_id, hold in found:
            if charge_id in unpriced:
                after = hold.booked_in_part(self._part(charge_id, hold))
            else:
                after = hold.after("book")
            self.write(hold, after)

    def _part(self, charge_id: str, hold: Hold) -> int:
        """What is booked of a hold's charge at list prices, whatever a contract makes of it."""
        return sum(
            line.amount
            for entry in self._entries(charge_id)
            if entry.currency == hold.currency
            for line in entry.lines
            if line.side == "cost" and line.kind in _LIST
        )

    def _of_charges(self, charges: Sequence[str]) -> list[tuple[str, Hold]]:
        """The holds that are not closed of calls that are members of these charges."""
        found: dict[str, str] = {}
        if not self._db.execute("SELECT EXISTS (SELECT 1 FROM hold)").fetchone()[0]:
            return []  # nobody gates
        for each in _parts(charges):
            part = [packed_id(one) for one in each]
            found.update(
                self._db.execute(
                    "SELECT hold.id, shown_id(observation.charge_id)"
                    " FROM observation JOIN hold ON hold.id = shown_id(observation.id)"
                    f" WHERE observation.charge_id IN ({_marks(part)}) AND hold.state <> 'closed'",
                    part,
                )
            )
        return [(found[hold.id], hold) for hold in self._of_ids(list(found))]

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Nothing: nobody decides about a hold.

        Args:
            event: of no type that is asked for.
            now_us: unix microseconds.
        """

    def _unpriced(self, charge_ids: Iterable[str]) -> set[str]:
        """Those of these charges that have no price, or not of all of it."""
        found: set[str] = set()
        for each in _parts(list(set(charge_ids))):
            part = [packed_id(one) for one in each]
            rows = self._db.execute(
                "SELECT shown_id(charge_id), sum(unpriced) FROM entry"
                f" WHERE charge_id IN ({_marks(part)}) GROUP BY charge_id",
                part,
            )
            found.update(charge_id for charge_id, unpriced in rows if unpriced)
        return found

    def _never_charged(self, limit: int) -> list[Hold]:
        """Measured ones whose observation was settled and counts for no charge."""
        return self._where(
            "state IN ('lost', 'measured') AND state = 'measured'"
            " AND EXISTS (SELECT 1 FROM observation WHERE observation.id = packed_id(hold.id))"
            " AND NOT EXISTS (SELECT 1 FROM observation WHERE observation.id = packed_id(hold.id)"
            " AND (settled = 0 OR charge_id IS NOT NULL)) LIMIT ?",
            (limit,),
        )

    def _of_ids(self, ids: Sequence[str]) -> list[Hold]:
        return [
            hold for part in _parts(ids) for hold in self._where(f"id IN ({_marks(part)})", part)
        ]

    def _where(self, condition: str, values: Sequence[object]) -> list[Hold]:
        rows = self._db.execute(f"{_HOLD} WHERE {condition}", values).fetchall()
        claims = self._claims([row[0] for row in rows])
        return [
            Hold._make(
                (*row[:3], int(row[3]), *row[4:8], tuple(claims[row[0]]), *row[8:10], int(row[10]))
            )
            for row in rows
        ]

    def _claims(self, ids: Sequence[str]) -> Mapping[str, list[Claim]]:
        found: dict[str, list[Claim]] = {one: [] for one in ids}
        for part in _parts(ids):
            rows = self._db.execute(
                "SELECT hold_id, series, key, period_from, amount FROM hold_scope"
                f" WHERE hold_id IN ({_marks(part)}) ORDER BY hold_id, series, key, period_from",
                part,
            )
            for hold_id, *place, amount in rows:
                found[hold_id].append(Claim(Place(*place), int(amount)))
        return found


def _total(cost: object) -> int | None:
    """What the record of a cost says it is in all; None if that is not known."""
    if not isinstance(cost, dict):
        return None
    try:
        return parse_money(cast("dict[str, Any]", cost).get("total"))
    except ValueError:
        return None


def _has_id(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("id"), str)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Each fits into one statement."""
    for at in range(0, len(values), _BATCH):
        yield values[at : at + _BATCH]
