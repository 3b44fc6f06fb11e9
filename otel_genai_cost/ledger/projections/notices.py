"""Notices and their outbox: queued in the transaction that books or decides; none is lost, none is made twice.

What becomes of a notice is written down as an event before it takes effect here. A ledger that is rebuilt reads the
events before it books anything, and so knows what was delivered when it queues the same notices again, under the same
ids.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.channels import (
    CHANNEL_EVENTS,
    CHANNEL_SCHEMA,
    Channel,
    Channels,
)
from otel_genai_cost.limits.notice import (
    AUDIENCES,
    NOTICE_KINDS,
    Audience,
    Notice,
    NoticeKind,
    notice_id,
)
from otel_genai_cost.vocabulary import word

__all__ = ["OUTCOMES", "Letter", "LetterState", "Notices", "Queued", "notice_event"]

LetterState: TypeAlias = Literal["waiting", "digest", "digested", "delivered", "dead"]
"""`waiting`: to be sent when it is due. `digest`: it is said in the next digest; `digested`: it is in one. `delivered`:
the receiver took it. `dead`: given up; a person may have it sent again."""

OUTCOMES: Final[Mapping[str, LetterState]] = {
    "notices_delivered": "delivered",
    "notices_dead": "dead",
    "notices_retried": "waiting",
}
"""The events that say what became of letters, and the state that they are in then."""

_OLD_US: Final = 3 * 24 * 3_600_000_000
"""What is so old when it is queued, and over, is said in a digest: history that is loaded raises no alarm."""

_DAY_US: Final = 24 * 3_600_000_000
_LATEST_US: Final = 2 * _DAY_US
"""Nothing is due later: what is was put off by a clock that was ahead, and is due now."""

_DIGEST_AT_US: Final = 6 * 3_600_000_000
"""Digests are made once a day, at six o'clock UTC."""


class Queued(NamedTuple):
    """A notice as it was queued: its number, the id under which it is shown, and how it was acknowledged."""

    n: int
    id: str
    notice: Notice
    acknowledged_us: int | None
    acknowledged_by: str | None


class Letter(NamedTuple):
    """A notice on its way to one channel. `id` is the one that the receiver sees; times are unix microseconds."""

    id: str
    channel: str
    state: LetterState
    state_us: int
    due_us: int
    tries: int
    error: str
    notice: Notice


def notice_event(notice: Notice) -> dict[str, Any]:
    """The event of a notice that follows from no entry: it is queued when the event is ingested."""
    return {"type": "notice", "notice": {**notice._asdict(), "facts": dict(notice.facts)}}


class Notices:
    """The projection.

    Args:
        db: the connection of an open ledger.
        clock_us: the time, unix microseconds: it says what is old when it is queued, and nothing else.
    """

    name = "notices"
    decisions = (*CHANNEL_EVENTS, "notice", "notice_acknowledged", *OUTCOMES)
    schema = f"""{CHANNEL_SCHEMA}
    CREATE TABLE IF NOT EXISTS notice (
        n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, key TEXT NOT NULL,
        tenant TEXT, audience TEXT NOT NULL, at_us INTEGER NOT NULL, facts BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS notice_of ON notice (audience, tenant, n);
    CREATE TABLE IF NOT EXISTS acknowledged (id TEXT PRIMARY KEY, at_us INTEGER NOT NULL, by TEXT) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS outbox (
        id TEXT PRIMARY KEY, notice TEXT, channel TEXT, state TEXT NOT NULL, state_us INTEGER NOT NULL,
        due_us INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT ''
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS failing (channel TEXT PRIMARY KEY, since_us INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS outbox_of ON outbox (state, channel, due_us);
    """

    def __init__(
        self, db: sqlite3.Connection, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._db, self.clock_us = db, clock_us
        self.channels = Channels(db)

    def queue(self, notice: Notice) -> None:
        """Have a notice sent by every channel that carries it, inside the caller's transaction. One that was queued
        before changes nothing."""
        shown = notice_id(notice.key, f" {notice.audience}")
        body = encode(dict(notice.facts))
        added = self._db.execute(
            "INSERT OR IGNORE INTO notice (id, kind, key, tenant, audience, at_us, facts) VALUES (?,?,?,?,?,?,?)",
            (shown, notice.kind, notice.key, notice.tenant, notice.audience, notice.at_us, body),
        )
        if added.rowcount:
            for channel in self.channels.all():
                if channel.carries(notice):
                    self._address(shown, notice, channel)
            self._digested(notice)

    def _address(self, shown: str, notice: Notice, channel: Channel) -> None:
        """Its row in the outbox; where events said already what became of it, that stands."""
        now_us = self.clock_us()
        is_late = _is_late(notice, now_us)
        state: LetterState = "digest" if is_late else "waiting"
        if channel.disabled:
            state = "dead"
        self._db.execute(
            "INSERT INTO outbox (id, notice, channel, state, state_us, due_us, error) VALUES (?,?,?,?,0,?,?)"
            " ON CONFLICT (id) DO UPDATE SET notice = excluded.notice, channel = excluded.channel",
            (
                notice_id(notice.key, channel.name),
                shown,
                channel.name,
                state,
                _next_digest_us(now_us) if is_late else 0,
                "the channel is disabled" if channel.disabled else "",
            ),
        )

    def _digested(self, notice: Notice) -> None:
        """The letters that a digest says."""
        if notice.kind == "digest":
            ids: list[str] = notice.facts.get("letters", [])
            self._db.executemany(
                "UPDATE outbox SET state = 'digested' WHERE id = ? AND state = 'digest'",
                [(one,) for one in ids],
            )

    def book(self, entries: Sequence[Entry]) -> None:
        """Nothing: notices that follow from entries are queued by those who know which do."""

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Take note of a channel, of what became of notices, or of a notice that follows from no entry.

        Args:
            event: as it stands in the ledger's own journal.
            now_us: not used: events have their own times.
        """
        kind = event["type"]
        if kind in CHANNEL_EVENTS:
            self.channels.note(event)
            self._forget(str(event.get("name")))
        elif kind == "notice":
            if (notice := _notice(event.get("notice"))) is not None:
                self.queue(notice)
        elif kind == "notice_acknowledged":
            self._acknowledge(event.get("id"), event.get("at_us"), event.get("by"))
        else:
            self._note_outcome(event, OUTCOMES[kind])

    def _forget(self, channel: str) -> None:
        """What was noted of a channel that is set anew; of one that is removed also what waits for it."""
        self._db.execute("DELETE FROM failing WHERE channel = ?", (channel,))
        if self.channels.get(channel) is None:
            self._db.execute(
                "DELETE FROM outbox WHERE channel = ? AND state IN ('waiting', 'digest')",
                (channel,),
            )

    def _acknowledge(self, one: object, at_us: object, by: object) -> None:
        if isinstance(one, str) and isinstance(at_us, int):
            self._db.execute(
                "INSERT OR IGNORE INTO acknowledged VALUES (?,?,?)", (one, at_us, str(by or ""))
            )

    def _note_outcome(self, event: Mapping[str, Any], state: LetterState) -> None:
        """The latest holds, in whatever order events are read; the letter itself may not be queued yet."""
        ids, at_us = event.get("ids"), event.get("at_us")
        if isinstance(ids, list) and isinstance(at_us, int):
            self._db.executemany(
                "INSERT INTO outbox (id, state, state_us, error) VALUES (?,?,?,?) ON CONFLICT (id) DO UPDATE SET"
                " state = excluded.state, state_us = excluded.state_us, error = excluded.error, due_us = 0, tries = 0"
                " WHERE excluded.state_us > outbox.state_us",
                [
                    (str(one), state, at_us, str(event.get("error") or ""))
                    for one in cast("list[object]", ids)
                ],
            )

    def failed(self, one: str, due_us: int, error: str) -> None:
        """A letter was tried in vain, and is due again, inside the caller's transaction.

        Args:
            one: its id.
            due_us: when, unix microseconds.
            error: what went wrong.
        """
        self._db.execute(
            "UPDATE outbox SET tries = tries + 1, due_us = ?, error = ? WHERE id = ? AND state = 'waiting'",
            (due_us, error, one),
        )

    def failing(self, channel: str, now_us: int, *, is_failing: bool) -> int | None:
        """Note whether anything went by a channel, inside the caller's transaction.

        Args:
            channel: its name.
            now_us: the time, unix microseconds.
            is_failing: whether all that was tried failed.

        Returns:
            Since when nothing went, unix microseconds; None if something did.
        """
        if not is_failing:
            self._db.execute("DELETE FROM failing WHERE channel = ?", (channel,))
            return None
        self._db.execute("INSERT OR IGNORE INTO failing VALUES (?,?)", (channel, now_us))
        since = self._db.execute("SELECT since_us FROM failing WHERE channel = ?", (channel,))
        return int(since.fetchone()[0])

    def channels_due(self, now_us: int) -> list[str]:
        """The names of channels by which something is to be sent now.

        Args:
            now_us: the time, unix microseconds.
        """
        rows = self._db.execute(
            "SELECT DISTINCT channel FROM outbox WHERE state = 'waiting' AND channel IS NOT NULL"
            " AND (due_us <= ? OR due_us > ?)",
            (now_us, now_us + _LATEST_US),
        )
        return [name for (name,) in rows]

    def due(
        self, channel: str, now_us: int, limit: int, state: LetterState = "waiting"
    ) -> list[Letter]:
        """What is to be sent by a channel now.

        Args:
            channel: its name.
            now_us: the time, unix microseconds.
            limit: how many at most.
            state: `digest` for what the next digest is to say.
        """
        late_us = now_us + _LATEST_US
        where = "state = ? AND channel = ? AND (due_us <= ? OR due_us > ?) ORDER BY due_us, at_us LIMIT ?"
        return self._letters(where, (state, channel, now_us, late_us, limit))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many letters are in each state, by channel."""
        rows = self._db.execute(
            "SELECT channel, state, count(*) FROM outbox WHERE channel IS NOT NULL GROUP BY channel, state"
        )
        found: dict[str, dict[str, int]] = {}
        for channel, state, number in rows:
            found.setdefault(channel, {})[state] = number
        return found

    def find(self, prefix: str) -> list[Queued]:
        """The notices whose id begins so."""
        return self._queued("substr(notice.id, 1, ?) = ? ORDER BY n", (len(prefix), prefix))

    def silences(self) -> list[Notice]:
        """That somebody fell silent, of whom nobody said that they call again."""
        rows = self._db.execute(
            "SELECT kind, key, tenant, audience, at_us, facts FROM notice WHERE kind = 'no_data' AND NOT EXISTS"
            " (SELECT 1 FROM notice later WHERE later.kind = 'data_again' AND later.key = 'again|' || notice.key)"
        )
        return [_of_row(row) for row in rows]

    def since_us(self, kind: NoticeKind, at_us: int) -> list[Notice]:
        """The team's notices of a kind, of what happened from a time on.

        Args:
            kind: which.
            at_us: unix microseconds.
        """
        rows = self._db.execute(
            "SELECT kind, key, tenant, audience, at_us, facts FROM notice"
            " WHERE kind = ? AND audience = 'team' AND at_us >= ?",
            (kind, at_us),
        )
        return [_of_row(row) for row in rows]

    def letters(self, state: LetterState, channel: str | None = None) -> list[Letter]:
        """All letters in a state, of one channel or of all."""
        if channel is None:
            return self._letters("state = ? ORDER BY at_us, o.id", (state,))
        return self._letters("state = ? AND channel = ? ORDER BY at_us, o.id", (state, channel))

    def _letters(self, where: str, parameters: Iterable[object]) -> list[Letter]:
        rows = self._db.execute(
            "SELECT o.id, channel, state, state_us, due_us, tries, error, kind, key, tenant, audience, at_us, facts"
            f" FROM outbox o JOIN notice ON notice.id = o.notice WHERE {where}",
            tuple(parameters),
        )
        return [Letter._make((*row[:7], _of_row(row[7:]))) for row in rows]

    def since(
        self, n: int, audience: Audience, tenant: str | None = None, limit: int = 1_000
    ) -> list[Queued]:
        """Notices of an audience after a number, in the order in which they were queued.

        Args:
            n: 0 for the first.
            audience: whose.
            tenant: about this tenant only; of a tenant's audience, those of others are never given.
            limit: how many at most.
        """
        about = " AND tenant = ?" if tenant is not None or audience == "tenant" else ""
        return self._queued(
            f"audience = ? AND n > ?{about} ORDER BY n LIMIT ?",
            (audience, n, *([tenant] if about else []), limit),
        )

    def _queued(self, where: str, parameters: Iterable[object]) -> list[Queued]:
        rows = self._db.execute(
            "SELECT n, notice.id, a.at_us, a.by, kind, key, tenant, audience, notice.at_us, facts"
            f" FROM notice LEFT JOIN acknowledged a ON a.id = notice.id WHERE {where}",
            tuple(parameters),
        )
        return [Queued(row[0], row[1], _of_row(row[4:]), row[2], row[3]) for row in rows]


def _is_late(notice: Notice, now_us: int) -> bool:
    over_us = max(notice.at_us, int(notice.facts.get("period_to_us") or 0))
    return notice.kind == "late" or (notice.at_us < now_us - _OLD_US and over_us < now_us)


def _next_digest_us(now_us: int) -> int:
    return ((now_us - _DIGEST_AT_US) // _DAY_US + 1) * _DAY_US + _DIGEST_AT_US


def _of_row(row: Sequence[Any]) -> Notice:
    kind, key, tenant, audience, at_us, facts = row
    return Notice(kind, key, tenant, audience, at_us, decode(facts))


def _notice(record: object) -> Notice | None:
    """The notice of an event; None if it cannot be read."""
    if not isinstance(record, dict):
        return None
    found = cast("dict[str, Any]", record)
    key, at_us, facts = found.get("key"), found.get("at_us"), found.get("facts")
    if found.get("kind") not in NOTICE_KINDS or found.get("audience") not in AUDIENCES:
        return None
    if not (isinstance(key, str) and isinstance(at_us, int) and isinstance(facts, dict)):
        return None
    return Notice(
        kind=word(found["kind"], NOTICE_KINDS, "test"),
        key=key,
        tenant=found.get("tenant"),
        audience=word(found["audience"], AUDIENCES, "tenant"),
        at_us=at_us,
        facts=cast("dict[str, Any]", facts),
    )
