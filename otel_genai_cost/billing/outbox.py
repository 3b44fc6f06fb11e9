"""The outbox: windows as the ledger has them, the events that were made of them, and what came of those."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from otel_genai_cost.billing.queued import QUEUED, Attempt, Queued, queued_of
from otel_genai_cost.billing.usage_event import UsageEvent, Window
from otel_genai_cost.ledger.storage.beside import transaction

__all__ = ["Mark", "Outbox", "Terms", "Total"]


class Mark(NamedTuple):
    """Up to which entry a meter is counted, and what the meter was."""

    definition: str
    ledger: str
    seq: int
    entry: str


class Terms(NamedTuple):
    """From when on calls of a destination count, and how long its windows are, microseconds."""

    from_us: int
    window_us: int


class Total(NamedTuple):
    """A window as the ledger has it: 1e-18 of what is counted."""

    n: int
    window: Window
    sum: int
    unsent: str


class Outbox:
    """An open outbox, as one destination sees it.

    Args:
        db: see `opening.connect`.
        destination: its name.
        writing: held while something is written: the threads of a process take turns, which SQLite's would not.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        destination: str,
        writing: AbstractContextManager[object] | None = None,
    ) -> None:
        self._db, self._name = db, destination
        self._writing = writing or nullcontext()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All of the block, or nothing."""
        with self._writing, transaction(self._db):
            yield

    # --- counting ---

    def mark(self, meter: str) -> Mark | None:
        """How far a meter is counted; None if it never was."""
        found = self._db.execute(
            "SELECT definition, ledger, seq, entry FROM mark WHERE destination = ? AND meter = ?"
            " ORDER BY n DESC LIMIT 1",
            (self._name, meter),
        ).fetchone()
        return Mark(*found) if found else None

    def set_mark(self, meter: str, mark: Mark, now_us: int) -> None:
        """Note how far a meter is counted.

        Args:
            meter: its name.
            mark: how far.
            now_us: the time, unix microseconds.
        """
        self._db.execute(
            "INSERT INTO mark (destination, meter, definition, ledger, seq, entry, at_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self._name, meter, *mark, now_us),
        )

    def forget_totals(self, meter: str) -> None:
        """Before a meter is counted from the first entry on; what was sent of it stays known."""
        self._db.execute(
            "UPDATE total SET sum = '0', dirty = 1 WHERE destination = ? AND meter = ?",
            (self._name, meter),
        )

    def count_anew(self, now_us: int) -> None:
        """Before all meters are counted from the first entry on; what was sent stays known."""
        meters = self._db.execute(
            "SELECT DISTINCT meter FROM mark WHERE destination = ?", (self._name,)
        ).fetchall()
        for (meter,) in meters:
            known = self.mark(meter)
            if known is not None:
                self.forget_totals(meter)
                self.set_mark(meter, known._replace(seq=0, entry=""), now_us)

    def look_again(self, tenant: str | None = None) -> None:
        """Have the windows of a tenant, or all, compared with what was sent of them once more."""
        whose, values = ("", ()) if tenant is None else (" AND tenant = ?", (tenant,))
        self._db.execute(
            "UPDATE total SET dirty = 1 WHERE destination = ? AND meter IN"
            f" (SELECT meter FROM mark WHERE destination = ?){whose}",
            (self._name, self._name, *values),
        )

    def has_window(self, tenant: str, from_us: int, length_us: int) -> bool:
        """Whether anything was counted of a tenant in a time.

        Args:
            tenant: as it stands on the calls.
            from_us: when it begins, unix microseconds.
            length_us: how long it is.
        """
        found = self._db.execute(
            "SELECT 1 FROM total WHERE destination = ? AND meter IN"
            " (SELECT meter FROM mark WHERE destination = ?) AND tenant = ?"
            " AND start_us >= ? AND start_us < ? LIMIT 1",
            (self._name, self._name, tenant, from_us, from_us + length_us),
        ).fetchone()
        return found is not None

    def customers(self) -> dict[str, Any]:
        """When each tenant was which customer, as it was noted last; nothing if it never was."""
        found = self._db.execute(
            "SELECT value FROM meta WHERE key = ?", (f"customers {self._name}",)
        ).fetchone()
        return dict(json.loads(found[0])) if found else {}

    def set_customers(self, known: Mapping[str, Any]) -> None:
        """Note when each tenant is which customer."""
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            (f"customers {self._name}", json.dumps(known)),
        )

    def terms(self) -> Terms | None:
        """By what calls were counted the last time; None if that was never noted."""
        found = self._db.execute(
            "SELECT value FROM meta WHERE key = ?", (f"terms {self._name}",)
        ).fetchone()
        return Terms(*json.loads(found[0])) if found else None

    def set_terms(self, terms: Terms) -> None:
        """Note by what calls are counted."""
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"terms {self._name}", json.dumps(terms))
        )

    def add(self, amounts: Mapping[Window, int]) -> None:
        """Add to windows what entries say."""
        for window, amount in amounts.items():
            key = (self._name, *window)
            found = self._db.execute(
                "SELECT n, sum FROM total WHERE destination = ? AND meter = ? AND tenant = ?"
                " AND properties = ? AND start_us = ?",
                key,
            ).fetchone()
            if found is None:
                self._db.execute(
                    "INSERT INTO total (destination, meter, tenant, properties, start_us, sum, dirty)"
                    " VALUES (?, ?, ?, ?, ?, ?, 1)",
                    (*key, str(amount)),
                )
            else:
                self._db.execute(
                    "UPDATE total SET sum = ?, dirty = 1 WHERE n = ?",
                    (str(int(found[1]) + amount), found[0]),
                )

    # --- making events ---

    def dirty(self, before_us: int) -> list[Total]:
        """Windows that begin before a time, of which more or less may have been sent than the ledger has."""
        return self._totals("dirty AND start_us < ?", before_us)

    def unsent(self) -> list[Total]:
        """Windows of which something cannot be made an event, and why."""
        return self._totals("unsent <> ''")

    def _totals(self, condition: str, *values: Any) -> list[Total]:
        found = self._db.execute(
            "SELECT n, meter, tenant, properties, start_us, sum, unsent FROM total"
            f" WHERE destination = ? AND {condition} ORDER BY start_us, n",
            (self._name, *values),
        )
        return list(map(_total, found))

    def sent_of(self, total: int) -> tuple[int, dict[str, int]]:
        """Of a window: its last revision, and what each customer's events sum up to that were not cancelled."""
        revision, sums = 0, dict[str, int]()
        for number, customer, quantity, state in self._db.execute(
            "SELECT revision, customer, quantity, state FROM event JOIN queue ON queue.event = event.n"
            " WHERE total = ? ORDER BY revision",
            (total,),
        ):
            revision = number
            counts = 0 if state == "cancelled" else int(quantity)
            sums[customer] = sums.get(customer, 0) + counts
        return revision, sums

    def make(
        self, total: Total, events: Sequence[UsageEvent], seq: int, now_us: int, unsent: str
    ) -> None:
        """Keep the events of a window, which is then not dirty any more.

        Args:
            total: the window.
            events: of it; there may be none.
            seq: the last entry that was counted.
            now_us: the time, unix microseconds.
            unsent: why none can be made; the window is then looked at again.
        """
        for one in events:
            made = self._db.execute(
                "INSERT INTO event (id, destination, total, revision, customer, quantity, length_us, seq, at_us)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(one.id, self._name, total.n, one.revision, one.customer),
                    *(str(one.quantity), one.length_us, seq, now_us),
                ),
            )
            self._db.execute(
                "INSERT INTO queue (event, destination, state, start_us, due_us) VALUES (?, ?, 'waiting', ?, ?)",
                (made.lastrowid, self._name, one.start_us, now_us),
            )
        self._db.execute(
            "UPDATE total SET dirty = ?, unsent = ? WHERE n = ?", (bool(unsent), unsent, total.n)
        )

    # --- delivering ---

    def due(self, now_us: int, limit: int) -> list[Queued]:
        """Events that are to be sent now: those first that the vendor may forget, then the oldest."""
        return self._letters(
            "WHERE queue.destination = ? AND queue.state = 'waiting' AND queue.due_us <= ?"
            " ORDER BY queue.unsure_us IS NULL, queue.due_us, queue.event LIMIT ?",
            (self._name, now_us, limit),
        )

    def in_state(self, state: str) -> list[Queued]:
        """Events in a state, in the order in which they were made."""
        return self._letters(
            "WHERE queue.destination = ? AND queue.state = ? ORDER BY queue.event",
            (self._name, state),
        )

    def accepted_since(self, us: int) -> list[Queued]:
        """Events that were accepted from a time on, unix microseconds."""
        return self._letters(
            "WHERE queue.destination = ? AND queue.state = 'accepted' AND queue.due_us >= ?"
            " ORDER BY queue.event",
            (self._name, us),
        )

    def left_behind(self, known: Collection[str]) -> dict[str, int]:
        """How many events of other destinations than these were not accepted, by destination."""
        found = self._db.execute(
            "SELECT destination, count(*) FROM queue WHERE state IN ('waiting', 'blocked', 'rejected')"
            " GROUP BY destination ORDER BY destination"
        )
        return {name: number for name, number in found if name not in known}

    def counts(self) -> dict[str, int]:
        """How many events are in each state."""
        return dict(
            self._db.execute(
                "SELECT state, count(*) FROM queue WHERE destination = ? GROUP BY state",
                (self._name,),
            )
        )

    def not_taken(self) -> int:
        """How many events wait, are blocked or were rejected."""
        counts = self.counts()
        return sum(counts.get(state, 0) for state in ("waiting", "blocked", "rejected"))

    def _letters(self, condition: str, values: Sequence[Any]) -> list[Queued]:
        return list(map(queued_of, self._db.execute(f"{QUEUED} {condition}", values)))

    def begin(self, numbers: Iterable[int], now_us: int) -> None:
        """Note that events are on their way: from now on they may count there."""
        with self.transaction():
            for n in numbers:
                self._db.execute(
                    "UPDATE queue SET trying_us = ?, tries = tries + 1 WHERE event = ?", (now_us, n)
                )

    def note(self, attempts: Iterable[Attempt], now_us: int, not_sent: Iterable[int] = ()) -> None:
        """Note what came of events.

        Args:
            attempts: the events, and what came of them.
            now_us: the time, unix microseconds.
            not_sent: numbers of events that were begun, and were not sent then: they are due as they were.
        """
        with self.transaction():
            for one in attempts:
                self._set(one, now_us)
            for n in not_sent:
                self._db.execute(
                    "UPDATE queue SET trying_us = NULL, tries = tries - 1 WHERE event = ?", (n,)
                )

    def _set(self, one: Attempt, now_us: int) -> None:
        unsure = "coalesce(unsure_us, trying_us)" if one.is_unsure else "unsure_us"
        self._db.execute(
            f"UPDATE queue SET state = ?, reason = ?, due_us = ?, unsure_us = {unsure}, trying_us = NULL"
            " WHERE event = ?",
            (one.state, one.reason, one.due_us, one.n),
        )
        self._db.execute(
            "INSERT INTO outcome (event, at_us, state, reason) VALUES (?, ?, ?, ?)",
            (one.n, now_us, one.state, one.reason),
        )

    def requeue(self, numbers: Iterable[int], now_us: int, *, was_taken: bool) -> None:
        """Somebody has looked at the vendor's: events were taken, or surely were not and are due.

        Args:
            numbers: of the events.
            now_us: the time, unix microseconds.
            was_taken: which of both.
        """
        state, reason = (
            ("accepted", "taken, as somebody said") if was_taken else ("waiting", "requeued")
        )
        with self.transaction():
            for n in numbers:
                self._set(Attempt(n, state, reason, now_us), now_us)
                self._db.execute(
                    "UPDATE queue SET unsure_us = NULL, tries = 0 WHERE event = ?", (n,)
                )

    def cancelled(self, n: int, now_us: int) -> None:
        """An event does not count any more: what its window comes to is made anew."""
        with self.transaction():
            self._set(Attempt(n, "cancelled"), now_us)
            self._db.execute(
                "UPDATE total SET dirty = 1 WHERE n = (SELECT total FROM event WHERE n = ?)", (n,)
            )

    def recover(self) -> None:
        """Events that were on their way when a process ended may count there; they are due as they were."""
        with self.transaction():
            self._db.execute(
                "UPDATE queue SET unsure_us = coalesce(unsure_us, trying_us), trying_us = NULL"
                " WHERE destination = ? AND trying_us IS NOT NULL",
                (self._name,),
            )

    def latest(self, now_us: int) -> int:
        """The latest time that was ever seen here: a clock that went back has not made a vendor younger."""
        found = self._db.execute("SELECT value FROM meta WHERE key = 'latest_us'").fetchone()
        latest_us = max(now_us, int(found[0]) if found else 0)
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('latest_us', ?)", (str(latest_us),)
            )
        return latest_us

    def history(self, n: int) -> Iterator[tuple[int, str, str]]:
        """What came of an event, in order: when, its state, and why."""
        return iter(
            self._db.execute(
                "SELECT at_us, state, reason FROM outcome WHERE event = ? ORDER BY n", (n,)
            ).fetchall()
        )


def _total(row: Sequence[Any]) -> Total:
    n, meter, tenant, properties, start_us, amount, unsent = row
    return Total(n, Window(meter, tenant, properties, start_us), int(amount), unsent)
