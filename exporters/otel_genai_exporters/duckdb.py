"""The embedded default: entries in a DuckDB file that reports read.

DuckDB lets either one writer or several readers at a file. So a batch is: open, write, close; and both sides retry for
a few seconds. Batches go in as JSON Lines, which every DuckDB since 1.2 loads fast and exactly, decimals as text and
times as microseconds. They are long, since opening the file takes as long as loading a thousand entries, and what is at
its end is written again each time; the lines are written down before it is opened.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_genai_cost.errors import GenAICostError, MissingExtraError
from otel_genai_cost.ledger.day_sums import DaySum, sums_in_rows
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Rows
from otel_genai_exporters.duckdb_lines import MONEY, Lines, cast_of
from otel_genai_exporters.entry_columns import typed

if TYPE_CHECKING:
    import duckdb

    from otel_genai_exporters.duckdb_kept import KeptOpen

__all__ = ["COLUMNS", "DuckDBSink", "duckdb_library", "retried"]

_IF_DAMAGED: Final = "if it is damaged, delete it: the next `genai-cost ship` fills it again"
_RETRY_S: Final = 5.0
_FRUGAL: Final = "SET threads = 1; SET memory_limit = '64MB'"
"""While entries are loaded: with a thread for each core and most of the memory, which are DuckDB's own defaults, it
takes three times as much, and is no faster."""

_ENTRIES_AT_ONCE: Final = 50_000
_RETRY_EVERY_S: Final = 0.05

COLUMNS: Final[Mapping[str, str]] = typed(
    {
        "text": "VARCHAR",
        "integer": "INTEGER",
        "bigint": "BIGINT",
        "money": MONEY,
        "instant": "TIMESTAMP",
    }
)
"""Times are UTC without a zone, because fetching zoned ones needs a further library."""

_T = TypeVar("_T")


class DuckDBSink:
    """Entries in a DuckDB file.

    Args:
        path: the file, made when the first entries come.

    Raises:
        MissingExtraError: without duckdb.
        GenAICostError: later, if the file stays locked or is no DuckDB file.
    """

    entries_at_once = _ENTRIES_AT_ONCE
    _frugal = _FRUGAL
    _tables: Sequence[str] = ("entries", "position")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._has_tables = False
        self._selected = _CAST
        duckdb_library()

    def mark(self) -> Mark | None:
        if not self.path.exists():
            return None
        with self._open(read_only=True) as db:
            if not db.execute(_HAS_SCHEMA).fetchall():
                return None
            row = db.execute("SELECT ledger_id, seq FROM position").fetchone()
        return None if row is None else Mark(row[0], row[1])

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        self.load(ledger_id, entries)

    def load(self, ledger_id: str, entries: Iterable[Entry]) -> None:
        place = self.path.with_name(f"{self.path.name}.lines")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lines = Lines(place, entries)
            if lines.last_seq:
                self._load_lines(ledger_id, lines)
        finally:
            place.unlink(missing_ok=True)

    def _load_lines(self, ledger_id: str, lines: Lines) -> None:
        with self._open(read_only=False) as db:
            row = db.execute("SELECT seq FROM position").fetchone()
            known_seq = 0 if row is None else row[0]
            if known_seq >= lines.last_seq:
                return
            if self._frugal:
                db.execute(self._frugal)
            db.execute("BEGIN")
            db.execute(
                f"INSERT INTO entries BY NAME SELECT {self._selected} FROM {lines.read_json} WHERE seq > ?",
                [known_seq],
            )
            self._note(db, known_seq, Mark(ledger_id, lines.last_seq))
            db.execute("COMMIT")

    def _note(self, db: duckdb.DuckDBPyConnection, after_seq: int, mark: Mark) -> None:
        """Note, in their transaction, how far the entries are that were just stored."""
        db.execute("DELETE FROM position")
        db.execute("INSERT INTO position VALUES (?, ?)", [mark.ledger_id, mark.seq])

    def kept_open(self) -> KeptOpen:
        """The same file, for a process that owns it and keeps it open.

        Raises:
            GenAICostError: if another process holds the file.
        """
        from otel_genai_exporters.duckdb_kept import KeptOpen

        return KeptOpen(self.path)

    def reset(self) -> None:
        with self._open(read_only=False) as db:
            db.execute("BEGIN")
            for table in self._tables:
                db.execute(f"DELETE FROM {table}")
            db.execute("COMMIT")

    def close(self) -> None:
        """Nothing: the file is open only while it is used."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Rows of a query over `entries`; an empty table if nothing was ever shipped."""
        if self.path.exists():
            with self._open(read_only=True) as db:
                if self._has_tables or _has_tables(db):
                    self._has_tables = True
                    return _rows(db, sql, parameters)
        self._make_tables()
        self._has_tables = True
        with self._open(read_only=True) as db:
            return _rows(db, sql, parameters)

    def days(self, upto_seq: int) -> list[DaySum]:
        return self._days(upto_seq, "NULL")

    def tenant_days(self, upto_seq: int) -> list[DaySum]:
        return self._days(upto_seq, "tenant")

    def _days(self, upto_seq: int, tenant: str) -> list[DaySum]:
        return sums_in_rows(self.query(_DAYS.format(tenant=tenant), [upto_seq]).rows)

    def _make_tables(self) -> None:
        """Make the file or the tables that are not there. Columns that a file of an older version lacks are added;
        where it cannot be written, it is read as it is."""
        may_write = os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        if may_write or self.mark() is None:
            with self._open(read_only=False):
                pass

    @contextmanager
    def _open(self, *, read_only: bool) -> Generator[duckdb.DuckDBPyConnection, None, None]:
        db = self._connect(read_only)
        try:
            if not read_only:
                db.execute(_SCHEMA)
                _widen(db)
            yield db
        except duckdb_library().Error as error:
            raise GenAICostError(f"{self.path}: {error}; {_IF_DAMAGED}") from None
        finally:
            db.close()

    def _connect(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        library = duckdb_library()
        connect: Callable[..., duckdb.DuckDBPyConnection] = library.connect
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not self.path.exists()
        try:
            opened = retried(
                lambda: connect(str(self.path), read_only=read_only), library.IOException
            )
            if is_new:
                self.path.chmod(0o600)  # as private as the ledger
            return opened
        except library.Error as error:
            raise GenAICostError(
                f"cannot open {self.path}: {error}; if another program holds it, close that; {_IF_DAMAGED}"
            ) from None


def duckdb_library() -> Any:
    """The library.

    Raises:
        MissingExtraError: without it.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("the DuckDB sink", "duckdb", "duckdb") from None
    return duckdb


def retried(attempt: Callable[[], _T], locked: type[Exception]) -> _T:
    """Wait for a writer or reader to close the file.

    Args:
        attempt: to open it.
        locked: what is raised meanwhile.

    Raises:
        Exception: what the last attempt raises.
    """
    give_up_s = time.monotonic() + _RETRY_S
    while True:
        try:
            return attempt()
        except locked as error:
            if "lock" not in str(error).lower() or time.monotonic() >= give_up_s:
                raise
            time.sleep(_RETRY_EVERY_S)


_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS entries ("
    + ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    + "); CREATE TABLE IF NOT EXISTS position (ledger_id VARCHAR, seq BIGINT)"
)
_HAS_SCHEMA: Final = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'position'"
_DAYS: Final = (
    "SELECT CAST(occurred AS DATE) - DATE '1970-01-01' AS day, currency, count(*), sum(amount), {tenant} AS whose"
    " FROM entries WHERE seq <= ? GROUP BY ALL"
)
_CAST: Final = ", ".join(map(cast_of, COLUMNS))


def _widen(db: duckdb.DuckDBPyConnection) -> None:
    """Give a file of an older version the columns it lacks: what it holds was booked at list prices, or before the
    price was told from the cost."""
    missing = _missing(db)
    for name in missing:
        db.execute(f"ALTER TABLE entries ADD COLUMN {name} {COLUMNS[name]}")
    if "list_amount" in missing:
        db.execute(
            "UPDATE entries SET list_amount = amount, discount_amount = 0, markup_amount = 0"
        )
    if "price" in missing:
        db.execute("UPDATE entries SET price = amount, price_currency = currency")


def _has_tables(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether both are there, with every column."""
    return bool(db.execute(_HAS_SCHEMA).fetchall()) and not _missing(db)


def _rows(db: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> Rows:
    found = db.execute(sql, list(parameters))
    columns = tuple(column[0] for column in found.description or ())
    return Rows(columns, found.fetchall())


def _missing(db: duckdb.DuckDBPyConnection) -> list[str]:
    """The columns that a file of an older version lacks."""
    known = {row[0] for row in db.execute("DESCRIBE entries").fetchall()}
    return [name for name in COLUMNS if name not in known]
