"""The file of what was stated: append-only, beside the ledger. What stands in it is never edited."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.beside import (
    check_format,
    connect_to_read,
    connect_to_write,
    create,
    note_begun,
    refuse_lost,
    script_of,
    transaction,
)
from otel_genai_cost.ledger.storage.keeping import remedy
from otel_genai_cost.ledger.storage.lock import exclusive
from otel_genai_cost.statements.gaps import Gap
from otel_genai_cost.statements.gather import Series
from otel_genai_cost.statements.periods import Calendar, Period, calendar_of
from otel_genai_cost.statements.statement import Scope, Statement, statement_of, statement_record

__all__ = [
    "FORMAT",
    "STATEMENTS_FILE",
    "Kept",
    "Round",
    "Statements",
    "series_of",
    "statements_lock",
]

STATEMENTS_FILE: Final = "statements.sqlite"
FORMAT: Final = 1
_LOCK: Final = "statements.lock"
_LABELS_MAX: Final = 500
"""So many are asked for by name; of more, all that was stated is looked through."""

_DAMAGE: Final = (KeyError, TypeError, ValueError, AttributeError)


class Kept(NamedTuple):
    """A statement as it is kept: when it was stated (unix microseconds), and of which ledger."""

    statement: Statement
    stated_us: int
    ledger: str


class Round(NamedTuple):
    """Up to which entry, by which time (unix microseconds) all that was due is stated; `registry` stands for what that
    was worked out by: the registry, the plans, and the entries themselves."""

    seq: int = 0
    until_us: int = 0
    registry: str = ""


def series_of(one: Statement) -> Series:
    """What a statement is about.

    Args:
        one: any revision.
    """
    anchor = one.anchor if one.cadence == "anchored" else None
    _, first_day = calendar_of(one.label, one.cadence, anchor)
    period = Period(one.period_from_us, one.period_to_us, one.zone, first_day)
    return Series(
        whose=one.whose,
        tenant=one.tenant,
        calendar=Calendar(one.cadence, one.anchor),
        period=period,
        scope=one.scope,
        scope_value=one.scope_value,
        currency=one.currency,
        cost_currency=one.cost_currency,
    )


class Statements:
    """An open file of statements.

    Args:
        home: the ledger's folder.
        readonly: whether it is only read: then it need not be there, and nothing was stated.

    Raises:
        LedgerError: if it is damaged or cannot be opened.
        FormatTooNewError: if a newer version wrote it.
    """

    def __init__(self, home: Path, *, readonly: bool = False) -> None:
        self.path = home / STATEMENTS_FILE
        try:
            self._db = _connect(self.path, readonly)
            check_format(self._db, self.path, "statements", FORMAT)
        except sqlite3.Error as error:
            raise LedgerError(
                f"cannot open the statements {self.path}: {error}; {_remedy(error)}"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def of(
        self, calendar: Calendar | None = None, labels: Collection[str] | None = None
    ) -> Iterator[Kept]:
        """What was stated, in the order in which it was.

        Args:
            calendar: of these periods; None for all.
            labels: of periods with these names; None for all.

        Raises:
            LedgerError: if one is damaged, or one before it is gone.
        """
        where, values = ["1"], list[object]()
        if calendar is not None:
            where.append("cadence = ? AND anchor = ?")
            values.extend(calendar)
        if labels is not None and len(labels) <= _LABELS_MAX:
            where.append(f"label IN ({','.join('?' * len(labels))})")
            values.extend(labels)
        rows = self._db.execute(
            "SELECT series, n, body, stated_us, ledger FROM statement"
            f" WHERE {' AND '.join(where)} ORDER BY n",
            values,
        )
        kept = self._following(rows)
        return (one for one in kept if labels is None or one.statement.label in labels)

    def _following(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Kept]:
        """Each after the one that it says was before it."""
        last: dict[str, str] = {}
        for series, number, *row in rows:
            one = self._kept(number, *row)
            if one.statement.previous != last.get(series):
                raise LedgerError(
                    f"statement {number} in {self.path} follows one that is not there; put a backup of the file back"
                )
            last[series] = one.statement.digest
            yield one

    def _kept(self, number: int, body: str, stated_us: int, ledger: str) -> Kept:
        try:
            return Kept(statement_of(json.loads(body)), stated_us, ledger)
        except _DAMAGE as error:
            raise LedgerError(
                f"statement {number} in {self.path} is damaged: {error}; put a backup of the file back"
            ) from None

    def bounds(
        self, calendar: Calendar, scope: Scope | None, from_us: int, to_us: int
    ) -> list[tuple[str, str | None, int, int, str]]:
        """Periods that were stated and overlap a time: whose, tenant, from, to and zone.

        Args:
            calendar: which periods.
            scope: of which statements.
            from_us: unix microseconds.
            to_us: the first instant after it.
        """
        rows = self._db.execute(
            "SELECT DISTINCT whose, tenant, period_from_us, period_to_us, zone FROM statement WHERE"
            " cadence = ? AND anchor = ? AND scope IS ? AND period_from_us < ? AND period_to_us > ?",
            (*calendar, scope, to_us, from_us),
        )
        return list(rows)

    def append(self, statements: Iterable[Statement], stated_us: int, ledger: str) -> None:
        """State them: all or none.

        Args:
            statements: of which each is the next revision of its series.
            stated_us: when, unix microseconds.
            ledger: the id of the ledger whose entries they are of.
        """
        rows = [_row(one, stated_us, ledger) for one in statements]
        if rows:
            with self._transaction():
                self._db.executemany(_INSERT, rows)

    def gaps(self) -> dict[tuple[str, int], Gap]:
        """Gaps that were seen before, by segment and number of records."""
        rows = self._db.execute("SELECT segment, missing, from_us, to_us FROM gap")
        return {(row[0], row[1]): Gap(*row) for row in rows}

    def note_gaps(self, gaps: Iterable[Gap]) -> None:
        """Keep what was known of gaps when they were first seen.

        Args:
            gaps: those that are known already change nothing.
        """
        known = self.gaps()
        fresh = [gap for gap in gaps if gap[:2] not in known]
        if fresh:
            with self._transaction():
                self._db.executemany("INSERT OR IGNORE INTO gap VALUES (?,?,?,?)", fresh)

    def last_round(self, schedule: str) -> Round:
        """Up to where a schedule has stated everything.

        Args:
            schedule: which.
        """
        row = self._db.execute(
            "SELECT seq, until_us, registry FROM round WHERE schedule = ? ORDER BY n DESC LIMIT 1",
            (schedule,),
        ).fetchone()
        return Round() if row is None else Round(*row)

    def note_round(self, schedule: str, done: Round) -> None:
        """Note how far a schedule has come.

        Args:
            schedule: which.
            done: how far.
        """
        with self._transaction():
            self._db.execute("DELETE FROM round WHERE schedule = ?", (schedule,))
            self._db.execute(
                "INSERT INTO round (schedule, seq, until_us, registry) VALUES (?,?,?,?)",
                (schedule, *done),
            )

    @contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        try:
            with transaction(self._db):
                yield
        except sqlite3.Error as error:
            raise LedgerError(
                f"cannot write {self.path}, nothing of it was kept: {error}; {_remedy(error)}"
            ) from None


_INSERT: Final = (
    "INSERT INTO statement (series, revision, whose, tenant, cadence, anchor, label, scope, period_from_us,"
    " period_to_us, zone, digest, ledger, stated_us, body) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


def _row(one: Statement, stated_us: int, ledger: str) -> tuple[Any, ...]:
    series = json.dumps(
        [
            *(one.whose, one.tenant, one.cadence, one.anchor, one.period_from_us),
            *(one.period_to_us, one.scope, one.scope_value, one.currency, one.cost_currency),
        ]
    )
    body = json.dumps(statement_record(one))
    return (
        *(series, one.revision, one.whose, one.tenant, one.cadence, one.anchor, one.label),
        *(one.scope, one.period_from_us, one.period_to_us, one.zone, one.digest),
        *(ledger, stated_us, body),
    )


@contextmanager
def statements_lock(home: Path) -> Generator[None, None, None]:
    """Be the one process that states, for the length of the block.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerLockedError: if another process does.
    """
    refusal = f"another process makes statements of {home}; try again when it is done"
    with exclusive(home / _LOCK, refusal):
        yield


def _connect(path: Path, readonly: bool) -> sqlite3.Connection:
    if not path.exists():
        refuse_lost(path, "what was stated", "state everything anew")
        if readonly:
            return _empty()
        create(path, _script())
    if readonly:
        return connect_to_read(path)
    note_begun(path)
    return connect_to_write(path)


def _script() -> str:
    schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    return script_of(schema, FORMAT)


def _empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(_script())
    return db


def _remedy(error: sqlite3.Error) -> str:
    text = remedy(None, error)
    return "put a backup of the file back" if "doctor" in text else text
