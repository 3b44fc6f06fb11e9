"""Bills as they came, in `bills.sqlite` beside the ledger: append-only, a version for each time that a cell changed.

The same file once more changes nothing, in whatever order its lines stand. A bill that comes again with other figures
is a new version of the cells that differ; what it does not have any more is nothing from then on, if it has other cells
of the same day. A bill that lacks some cells and changes none looks cut off, and takes nothing away.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.beside import (
    check_format,
    connect_to_read,
    connect_to_write,
    create,
    script_of,
    transaction,
)
from otel_genai_cost.ledger.storage.lock import exclusive
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.reconciliation.bill import Billed, Cell, with_usage

__all__ = ["BILLS_FILE", "Bills", "Imported", "Known", "bills_of"]

BILLS_FILE: Final = "bills.sqlite"
_LOCK_FILE: Final = "bills.lock"
_FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE file (
    digest TEXT NOT NULL, provider TEXT NOT NULL, name TEXT NOT NULL, fetched_at TEXT NOT NULL,
    PRIMARY KEY (digest, provider)
) WITHOUT ROWID;
CREATE TABLE bill (
    provider TEXT NOT NULL, cell TEXT NOT NULL, version INTEGER NOT NULL, day TEXT NOT NULL,
    quantity TEXT, amount TEXT, list_amount TEXT, slack TEXT NOT NULL, final INTEGER NOT NULL,
    fetched_at TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (provider, cell, version)
) WITHOUT ROWID;
CREATE INDEX bill_day ON bill (provider, day);
CREATE TRIGGER bill_stays BEFORE UPDATE ON bill
BEGIN SELECT RAISE (ABORT, 'what was billed is never changed'); END;
CREATE TRIGGER bill_is_kept BEFORE DELETE ON bill
BEGIN SELECT RAISE (ABORT, 'what was billed is never deleted'); END;
"""
_NEWEST: Final = (
    "SELECT cell, max(version), quantity, amount, list_amount, slack, final, digest FROM bill"
    " WHERE provider = ? AND day BETWEEN ? AND ? GROUP BY cell"
)
_INSERT: Final = "INSERT INTO bill VALUES (?,?,?,?,?,?,?,?,?,?,?)"


class Known(NamedTuple):
    """A cell's newest version, and the digest of the bill that it came with."""

    billed: Billed
    version: int
    digest: str


class Imported(NamedTuple):
    """What an import changed: cells that are new, that were revised, and that the bill has no more; and of which it
    seems to have been cut off."""

    new: int = 0
    revised: int = 0
    gone: int = 0
    cut_off: int = 0


class Bills:
    """Bills of a ledger's folder.

    Args:
        home: the ledger's folder.
        readonly: whether they are only read; there must be some.

    Raises:
        LedgerError: if the file cannot be opened.
        LedgerLockedError: if another process is making it.
        FormatTooNewError: if a newer version wrote it.
    """

    def __init__(self, home: Path, *, readonly: bool = False) -> None:
        self._home, path = home, home / BILLS_FILE
        try:
            self._db = connect_to_read(path) if readonly else self._connect(path)
            check_format(self._db, path, "bills", _FORMAT)
        except sqlite3.Error as error:
            raise LedgerError(f"cannot open {path}: {error}") from None

    def _connect(self, path: Path) -> sqlite3.Connection:
        if not path.exists():
            with self._alone():
                if not path.exists():
                    create(path, script_of(_SCHEMA, _FORMAT))
        return connect_to_write(path)

    def _alone(self) -> AbstractContextManager[None]:
        refusal = f"another process imports bills into {self._home}; try again when it is done"
        return exclusive(self._home / _LOCK_FILE, refusal)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def keep(
        self,
        provider: str,
        cells: Mapping[Cell, Billed],
        files: Iterable[tuple[str, str]],
        now_us: int,
        *,
        zone: str,
    ) -> Imported:
        """Keep what a bill says.

        Args:
            provider: whose.
            cells: all of it.
            files: digest and name of each file of it.
            now_us: when it was fetched, unix microseconds.
            zone: whose days it counts, an IANA name.

        Raises:
            LedgerError: if it cannot be written.
            LedgerLockedError: if another process is writing.
        """
        files = tuple(files)
        try:
            with self._writing():
                known = self.newest(provider, *_extent(cells))
                changes, imported = _changes(known, cells)
                fetched, digest = rfc3339(now_us), "+".join(one for one, _ in files)
                self._db.executemany(
                    _INSERT,
                    [
                        _row(provider, cell, known.get(cell), billed, fetched, digest)
                        for cell, billed in changes.items()
                    ],
                )
                self._db.execute(
                    "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_zone_key(provider, digest), zone)
                )
                self._db.executemany(
                    "INSERT OR IGNORE INTO file VALUES (?,?,?,?)",
                    [(one, provider, name, fetched) for one, name in files],
                )
        except sqlite3.Error as error:
            raise LedgerError(f"cannot write {BILLS_FILE}: {error}") from None
        return imported

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        """One process at a time, all of it or none of it."""
        with self._alone(), transaction(self._db):
            yield

    def newest(self, provider: str, from_day: str, to_day: str) -> dict[Cell, Known]:
        """The newest version of each cell.

        Args:
            provider: whose.
            from_day: the first day.
            to_day: the last day.
        """
        rows = self._db.execute(_NEWEST, (provider, from_day, to_day))
        return {Cell(*json.loads(row[0])): _known(row) for row in rows}

    def standing(self, provider: str, from_day: str, to_day: str) -> dict[Cell, Known]:
        """Likewise, without what the bill has no more. What a report of usage says is the quantity of what others have
        the money of, and nothing more.

        Args:
            provider: whose.
            from_day: the first day.
            to_day: the last day.
        """
        every = self.newest(provider, from_day, to_day)
        cells = {
            cell: one.billed
            for cell, one in every.items()
            if one.billed.amount or one.billed.quantity
        }
        used = {cell: billed for cell, billed in cells.items() if billed.amount is None}
        paid = {cell: billed for cell, billed in cells.items() if cell not in used}
        return {
            cell: every[cell]._replace(billed=billed)
            for cell, billed in with_usage(paid, used).items()
        }

    def zone(self, provider: str, digest: str) -> str | None:
        """Whose days a bill counts, an IANA name; None if that was not noted.

        Args:
            provider: whose.
            digest: of the bill, as its cells have it.
        """
        found = self._db.execute(
            "SELECT value FROM meta WHERE key = ?", (_zone_key(provider, digest),)
        ).fetchone()
        return None if found is None else str(found[0])

    def providers(self) -> list[str]:
        """Whose bills there are."""
        rows = self._db.execute("SELECT DISTINCT provider FROM bill ORDER BY provider")
        return [row[0] for row in rows]


@contextmanager
def bills_of(home: Path) -> Generator[Bills | None, None, None]:
    """The bills of a ledger's folder, to read; None where there are none.

    Raises:
        LedgerError: if they cannot be opened.
    """
    if not (home / BILLS_FILE).exists():
        yield None
        return
    with closing(Bills(home, readonly=True)) as opened:
        yield opened


def _zone_key(provider: str, digest: str) -> str:
    return f"zone {provider} {digest}"


def _extent(cells: Iterable[Cell]) -> tuple[str, str]:
    every = [cell.day for cell in cells]
    return min(every, default=""), max(every, default="")


def _known(row: tuple[Any, ...]) -> Known:
    _, version, quantity, amount, listed, slack, final, digest = row
    billed = Billed(
        None if quantity is None else Fraction(quantity),
        None if amount is None else parse_money(amount),
        None if listed is None else parse_money(listed),
        int(slack),
        bool(final),
    )
    return Known(billed, version, digest)


def _row(
    provider: str, cell: Cell, known: Known | None, billed: Billed, fetched: str, digest: str
) -> tuple[Any, ...]:
    return (
        provider,
        json.dumps(cell),
        1 if known is None else known.version + 1,
        cell.day,
        None if billed.quantity is None else str(billed.quantity),
        None if billed.amount is None else format_money(billed.amount),
        None if billed.list_amount is None else format_money(billed.list_amount),
        str(billed.slack),
        int(billed.final),
        fetched,
        digest,
    )


def _changes(
    known: Mapping[Cell, Known], cells: Mapping[Cell, Billed]
) -> tuple[dict[Cell, Billed], Imported]:
    new, revised, ended = dict[Cell, Billed](), dict[Cell, Billed](), dict[Cell, Billed]()
    for cell, billed in cells.items():
        before = known.get(cell)
        if before is None:
            new[cell] = billed
            continue
        after = _filled(billed, before.billed)
        if after != before.billed:
            is_ended = after._replace(final=before.billed.final) == before.billed
            (ended if is_ended else revised)[cell] = after
    gone = _gone(known, cells)
    if gone and not new and not revised:
        return ended, Imported(cut_off=len(gone))
    return new | revised | ended | gone, Imported(len(new), len(revised), len(gone))


def _filled(billed: Billed, before: Billed) -> Billed:
    """What a bill does not say of a cell, another one said: quantities and money may come in two files. Figures that
    are final stay so while they are the same. Beside money a report of usage only says a quantity that is lacking."""
    if billed.amount is None and before.amount:
        return before if before.quantity else before._replace(quantity=billed.quantity)
    same = (billed.quantity, billed.amount) == (before.quantity, before.amount)
    return billed._replace(
        final=billed.final or (same and before.final),
        quantity=before.quantity if billed.quantity is None else billed.quantity,
        amount=before.amount if billed.amount is None else billed.amount,
        list_amount=before.list_amount if billed.list_amount is None else billed.list_amount,
    )


def _gone(known: Mapping[Cell, Known], cells: Mapping[Cell, Billed]) -> dict[Cell, Billed]:
    """Cells that a bill has no more, of days of which it has others that were there before. A report of usage knows no
    money, and takes none away."""
    again = {cell.day for cell in cells if cell in known}
    has_money = any(billed.amount is not None for billed in cells.values())
    nothing = Billed(Fraction(0), 0, None, 0, False)
    return {
        cell: nothing._replace(final=one.billed.final)
        for cell, one in known.items()
        if cell.day in again
        and cell not in cells
        and (one.billed.amount or one.billed.quantity)
        and (has_money or one.billed.amount is None)
    }
