"""Rows of revenue, kept in a file beside the ledger: appended, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from otel_genai_cost.errors import LedgerError, Problem, RevenueError
from otel_genai_cost.ledger.storage.beside import (
    check_format,
    connect_to_read,
    connect_to_write,
    create,
    script_of,
    transaction,
)
from otel_genai_cost.ledger.storage.lock import exclusive
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.reports.revenue.check import CORRECTION
from otel_genai_cost.reports.revenue.row import REVENUE_KINDS, Revenue
from otel_genai_cost.vocabulary import word

__all__ = ["REVENUE_FILE", "Kept", "digests_in", "keep_revenue", "revenue_in"]

REVENUE_FILE: Final = "revenue.sqlite"
"""In the ledger's folder."""

_FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE revenue (
    n INTEGER PRIMARY KEY,
    ref TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    to_us INTEGER NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    feature TEXT,
    seats INTEGER,
    digest TEXT NOT NULL,
    imported_us INTEGER NOT NULL
);
CREATE TRIGGER revenue_stays BEFORE UPDATE ON revenue
BEGIN SELECT RAISE (ABORT, 'revenue is never changed'); END;
CREATE TRIGGER revenue_is_kept BEFORE DELETE ON revenue
BEGIN SELECT RAISE (ABORT, 'revenue is never deleted'); END;
"""
_COLUMNS: Final = "tenant, from_us, to_us, amount, currency, kind, source, ref, feature, seats"
_INSERT: Final = (
    f"INSERT INTO revenue ({_COLUMNS}, digest, imported_us) VALUES ({','.join('?' * 12)})"
)


_Found = TypeVar("_Found")


class Kept(NamedTuple):
    """What came of an import: rows that are new, and rows that were there."""

    added: int
    known: int


def keep_revenue(home: Path, rows: Iterable[Revenue], now_us: int) -> Kept:
    """Add the rows that are not there yet, all or none.

    Args:
        home: the ledger's folder, made if it is not there.
        rows: each with a ref of its own.
        now_us: the time, unix microseconds.

    Raises:
        RevenueError: if a ref stands for something else already.
        LedgerLockedError: if another process imports into this folder.
        LedgerError: if the file cannot be written.
        FormatTooNewError: if a newer version wrote it.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / REVENUE_FILE
    lock = home / f"{REVENUE_FILE}.lock"
    with exclusive(lock, f"another process imports revenue into {home}; try again"):
        try:
            with closing(_connect(path)) as db:
                return _added(db, rows, now_us)
        except sqlite3.Error as error:
            raise LedgerError(f"{path}: {error}") from None


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        create(path, script_of(_SCHEMA, _FORMAT))
    db = connect_to_write(path)
    check_format(db, path, "revenue", _FORMAT)
    return db


def _added(db: sqlite3.Connection, rows: Iterable[Revenue], now_us: int) -> Kept:
    added = known = 0
    conflicts: list[Problem] = []
    with transaction(db):
        for row in rows:
            found = db.execute("SELECT digest FROM revenue WHERE ref = ?", (row.ref,)).fetchone()
            if found is None:
                db.execute(_INSERT, _written(row, now_us))
                added += 1
            elif found[0] == row.digest:
                known += 1
            else:
                what = f"ref {row.ref!r} was imported as something else"
                conflicts.append(Problem(REVENUE_FILE, 0, what, CORRECTION))
        if conflicts:
            raise RevenueError(tuple(conflicts))
    return Kept(added, known)


def _written(row: Revenue, now_us: int) -> tuple[Any, ...]:
    return (*row[:3], format_money(row.amount), *row[4:], row.digest, now_us)


def revenue_in(home: Path) -> Sequence[Revenue]:
    """All rows, in the order of their beginning; none where nothing was ever imported.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerError: if the file cannot be read.
        FormatTooNewError: if a newer version wrote it.
    """
    return _read(home, _rows)


def digests_in(home: Path) -> Mapping[str, str]:
    """By ref, what stands for all that its row says; nothing where nothing was ever imported.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerError: if the file cannot be read.
        FormatTooNewError: if a newer version wrote it.
    """
    return dict(_read(home, lambda db: db.execute("SELECT ref, digest FROM revenue")))


def _read(home: Path, of: Callable[[sqlite3.Connection], Iterable[_Found]]) -> Sequence[_Found]:
    path = home / REVENUE_FILE
    if not path.exists():
        return ()
    try:
        with closing(connect_to_read(path)) as db:
            check_format(db, path, "revenue", _FORMAT)
            return list(of(db))
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise LedgerError(f"{path}: {error}") from None


def _rows(db: sqlite3.Connection) -> Iterator[Revenue]:
    found: Iterable[Any] = db.execute(f"SELECT {_COLUMNS} FROM revenue ORDER BY from_us, ref")
    for tenant, from_us, to_us, amount, currency, kind, source, ref, feature, seats in found:
        yield Revenue(
            tenant=tenant,
            from_us=from_us,
            to_us=to_us,
            amount=parse_money(amount),
            currency=currency,
            kind=word(kind, REVENUE_KINDS, "flat"),
            source=source,
            ref=ref,
            feature=feature,
            seats=seats,
        )
