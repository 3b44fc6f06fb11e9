"""Holds in PostgreSQL: several gates on several machines keep one set of budgets.

A batch of operations is one transaction, and an advisory lock lets one batch write at a time. What the shipper brings,
sums, ends of holds and how far it is, is one transaction too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.gate.cached import Basis, Changes, Found, Query, Wanted
from otel_genai_cost.gate.store import StoreUnavailableError
from otel_genai_cost.ledger.projections.mirrored import Mirrored, MirrorMark, budgets_of
from otel_genai_cost.limits.hold import Claim, Committed, Hold, Place
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_exporters.libpq_waiting import CONNECTION

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresBackend"]

_T = TypeVar("_T")

_SCHEMA: Final = """
CREATE SCHEMA IF NOT EXISTS genai_cost;
CREATE TABLE IF NOT EXISTS genai_cost.hold (
    id text PRIMARY KEY,
    digest text NOT NULL,
    state text NOT NULL,
    amount numeric(38,18) NOT NULL,
    currency text NOT NULL,
    tenant text,
    expires_us bigint NOT NULL,
    ends_us bigint NOT NULL,
    request text NOT NULL,
    answer text NOT NULL,
    booked numeric(38,18) NOT NULL
);
CREATE INDEX IF NOT EXISTS hold_expires ON genai_cost.hold (expires_us) WHERE state IN ('held', 'sent');
CREATE INDEX IF NOT EXISTS hold_ends ON genai_cost.hold (ends_us) WHERE state IN ('lost', 'measured');
CREATE INDEX IF NOT EXISTS hold_over ON genai_cost.hold (expires_us) WHERE state IN ('closed', 'void');
CREATE TABLE IF NOT EXISTS genai_cost.hold_scope (
    hold_id text NOT NULL,
    series text NOT NULL,
    key text NOT NULL,
    period_from bigint NOT NULL,
    amount numeric(38,18) NOT NULL,
    PRIMARY KEY (hold_id, series, key, period_from)
);
CREATE TABLE IF NOT EXISTS genai_cost.held (
    series text NOT NULL,
    key text NOT NULL,
    period_from bigint NOT NULL,
    open numeric(38,18) NOT NULL,
    in_flight numeric(38,18) NOT NULL,
    PRIMARY KEY (series, key, period_from)
);
CREATE TABLE IF NOT EXISTS genai_cost.booked (
    series text NOT NULL,
    key text NOT NULL,
    period_from bigint NOT NULL,
    amount numeric(38,18) NOT NULL,
    PRIMARY KEY (series, key, period_from)
);
CREATE TABLE IF NOT EXISTS genai_cost.credit (
    tenant text PRIMARY KEY,
    standing text NOT NULL
);
CREATE TABLE IF NOT EXISTS genai_cost.basis (
    one integer PRIMARY KEY CHECK (one = 1),
    ledger_id text NOT NULL,
    seq bigint NOT NULL,
    basis text NOT NULL,
    at_us bigint NOT NULL,
    budgets text NOT NULL
);
"""
_LOCK: Final = 0x67656E6169636F73
"""The key of the advisory lock; any number that nobody else takes."""

_HOLD: Final = (
    "SELECT id, digest, state, amount::text, currency, tenant, expires_us, ends_us, request, answer, booked::text"
    " FROM genai_cost.hold"
)
_OPEN: Final = "state IN ('held', 'sent', 'lost', 'measured')"
_TIMEOUTS: Final = "SET lock_timeout = '5s'; SET statement_timeout = '10s'"
_CONNECTION: Final = CONNECTION | {"connect_timeout": "3", "tcp_user_timeout": "10000"}
_KEPT_US: Final = 7 * 86_400_000_000


class PostgresBackend:
    """One connection, which is made anew after it failed.

    Args:
        address: `postgresql://…`.

    Raises:
        MissingExtraError: without psycopg.
    """

    def __init__(self, address: str) -> None:
        self._library, self._address = _psycopg(), address
        self._db: psycopg.Connection[Any] | None = None

    def begin(self) -> Basis | None:
        return self._tried(self._begin)

    def read(self, wanted: Wanted, now_us: int) -> Found:
        return self._tried(lambda: self._read(wanted, now_us))

    def commit(self, changes: Changes, now_us: int) -> bool:
        self._tried(lambda: self._commit(changes, now_us))
        return True

    def roll_back(self) -> None:
        """The connection is given up: what it was in the middle of is not known."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(self._library.Error):
                db.close()

    def position(self) -> MirrorMark | None:
        return self._tried(self._position)

    def close(self) -> None:
        self.roll_back()

    def _tried(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except self._library.Error as error:
            raise StoreUnavailableError(
                f"PostgreSQL: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            ) from None

    def _opened(self) -> psycopg.Connection[Any]:
        if self._db is not None and not self._db.closed:
            return self._db
        db: psycopg.Connection[Any] = self._library.connect(
            **{**_CONNECTION, **self._library.conninfo.conninfo_to_dict(self._address)},
            autocommit=True,
        )
        self._db = db
        db.execute(_TIMEOUTS)
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            db.execute(_SCHEMA)
        return db

    def _begin(self) -> Basis | None:
        db = self._opened()
        db.execute("BEGIN")
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        row = db.execute("SELECT at_us, budgets, seq FROM genai_cost.basis").fetchone()
        return None if row is None else Basis(budgets_of(row[1]), row[0], row[2])

    def _position(self) -> MirrorMark | None:
        row = (
            self._opened()
            .execute("SELECT ledger_id, seq, basis, at_us FROM genai_cost.basis")
            .fetchone()
        )
        return None if row is None else MirrorMark(*row)

    def _read(self, wanted: Wanted, now_us: int) -> Found:
        holds: dict[str, Hold | None] = dict.fromkeys(wanted.holds)
        if wanted.holds:
            holds.update(
                {hold.id: hold for hold in self._holds("id = ANY(%s)", list(wanted.holds))}
            )
        places = self._places(wanted.places) if wanted.places else {}
        return Found(holds, places, {one: self._asked(one, now_us) for one in wanted.queries})

    def _places(self, places: Iterable[Place]) -> dict[Place, Committed]:
        wanted = list(places)
        rows = self._execute(
            "SELECT w.series, w.key, w.period_from, coalesce(b.amount, 0)::text,"
            " coalesce(h.open, 0)::text, coalesce(h.in_flight, 0)::text"
            " FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS w (series, key, period_from)"
            " LEFT JOIN genai_cost.booked b USING (series, key, period_from)"
            " LEFT JOIN genai_cost.held h USING (series, key, period_from)",
            [list(column) for column in zip(*wanted, strict=True)],
        )
        return {Place(*row[:3]): Committed(*map(parse_money, row[3:])) for row in rows}

    def _asked(self, query: Query, now_us: int) -> list[Any]:
        if query[0] == "due":
            return self._due(query[1], now_us)
        if query[0] == "open":
            if query[1] is None:
                return self._holds(_OPEN)
            return self._holds(f"{_OPEN} AND tenant = %s", query[1])
        if query[0] == "credit":
            rows = self._execute(
                "SELECT standing FROM genai_cost.credit WHERE tenant = %s", query[1:]
            )
            return [row[0] for row in rows]
        rows = self._execute(
            "SELECT key FROM genai_cost.booked WHERE series = %s AND period_from = %s"
            " UNION SELECT key FROM genai_cost.held WHERE series = %s AND period_from = %s",
            [*query[1:], *query[1:]],
        )
        return [row[0] for row in rows]

    def _due(self, limit: int, now_us: int) -> list[Any]:
        expired = "state IN ('held', 'sent') AND expires_us <= %s ORDER BY expires_us LIMIT %s"
        ended = "state IN ('lost', 'measured') AND ends_us <= %s ORDER BY ends_us LIMIT %s"
        return [
            *((hold, "expire") for hold in self._holds(expired, now_us, limit)),
            *((hold, "end") for hold in self._holds(ended, now_us, limit)),
        ]

    def _holds(self, condition: str, *values: object) -> list[Hold]:
        rows = self._execute(f"{_HOLD} WHERE {condition}", values)
        ids = [row[0] for row in rows]
        claims: dict[str, list[Claim]] = {}
        if ids:
            found = self._execute(
                "SELECT hold_id, series, key, period_from, amount::text FROM genai_cost.hold_scope"
                " WHERE hold_id = ANY(%s) ORDER BY series, key, period_from",
                [ids],
            )
            for hold_id, series, key, from_us, amount in found:
                claim = Claim(Place(series, key, from_us), parse_money(amount))
                claims.setdefault(hold_id, []).append(claim)
        return [
            Hold._make(
                (
                    *(*row[:3], parse_money(row[3]), *row[4:8]),
                    *(tuple(claims.get(row[0], ())), *row[8:10], parse_money(row[10])),
                )
            )
            for row in rows
        ]

    def _commit(self, changes: Changes, now_us: int) -> None:
        db = self._opened()
        with db.cursor() as cursor:
            self._write(cursor, changes)
            if changes.prunes:
                cursor.execute(_PRUNE, (now_us - _KEPT_US,))
            if changes.brought is not None:
                _bring(cursor, changes.brought)
            cursor.execute("COMMIT")

    def _write(self, cursor: psycopg.Cursor[Any], changes: Changes) -> None:
        if changes.holds:
            holds = list(changes.holds.values())
            cursor.executemany(_PUT_HOLD, [_row(hold) for hold in holds])
            cursor.executemany(
                _PUT_CLAIM,
                [
                    (hold.id, *place, format_money(amount))
                    for hold in holds
                    for place, amount in hold.claims
                ],
            )
        if changes.sums:
            cursor.executemany(
                _PUT_HELD,
                [(*place, *map(format_money, one)) for place, one in changes.sums.items()],
            )

    def _execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        db: Any = self._opened()
        found: list[tuple[Any, ...]] = db.execute(statement, values).fetchall()
        return found


_PUT_HOLD: Final = (
    "INSERT INTO genai_cost.hold VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s) ON CONFLICT (id) DO UPDATE SET"
    " state = excluded.state, amount = excluded.amount, expires_us = excluded.expires_us,"
    " ends_us = excluded.ends_us, booked = excluded.booked"
)
_PUT_CLAIM: Final = (
    "INSERT INTO genai_cost.hold_scope VALUES (%s,%s,%s,%s,%s)"
    " ON CONFLICT (hold_id, series, key, period_from) DO UPDATE SET amount = excluded.amount"
)
_PUT_HELD: Final = (
    "INSERT INTO genai_cost.held VALUES (%s,%s,%s,%s,%s) ON CONFLICT (series, key, period_from)"
    " DO UPDATE SET open = excluded.open, in_flight = excluded.in_flight"
)
_PUT_BOOKED: Final = (
    "INSERT INTO genai_cost.booked VALUES (%s,%s,%s,%s) ON CONFLICT (series, key, period_from)"
    " DO UPDATE SET amount = excluded.amount"
)
_PUT_CREDIT: Final = (
    "INSERT INTO genai_cost.credit VALUES (%s,%s) ON CONFLICT (tenant)"
    " DO UPDATE SET standing = excluded.standing"
)
_PRUNE: Final = (
    "WITH gone AS (DELETE FROM genai_cost.hold WHERE state IN ('closed', 'void') AND expires_us <= %s RETURNING id)"
    " DELETE FROM genai_cost.hold_scope USING gone WHERE hold_id = gone.id"
)
_PUT_BASIS: Final = (
    "INSERT INTO genai_cost.basis VALUES (1,%s,%s,%s,%s,%s) ON CONFLICT (one) DO UPDATE SET"
    " ledger_id = excluded.ledger_id, seq = excluded.seq, basis = excluded.basis,"
    " at_us = excluded.at_us, budgets = excluded.budgets"
)


def _bring(cursor: psycopg.Cursor[Any], brought: Mirrored) -> None:
    if brought.is_whole:
        cursor.execute("DELETE FROM genai_cost.booked")
        cursor.execute("DELETE FROM genai_cost.credit")
    if brought.booked:
        rows = [(*place, format_money(amount)) for place, amount in brought.booked.items()]
        cursor.executemany(_PUT_BOOKED, rows)
    if brought.credit:
        cursor.executemany(_PUT_CREDIT, list(brought.credit.items()))
    cursor.execute(_PUT_BASIS, (*brought.mark, brought.text))


def _row(hold: Hold) -> tuple[Any, ...]:
    said = hold.request, hold.answer, format_money(hold.booked)
    return (*hold[:3], format_money(hold.amount), *hold[4:8], *said)


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError:
        raise MissingExtraError(
            "the gate's store in PostgreSQL", "psycopg", "gate-postgres"
        ) from None
    return psycopg
