"""Entries in a DuckDB file that one process owns: it stays open, one thread writes, and readers never wait for it.

Each reading has a transaction of its own, so that all its queries speak of the same entries however many are written
meanwhile, and can be cancelled from another thread.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.sink import Mark, Rows
from otel_genai_cost.reports.caching import CACHE_LEAVES
from otel_genai_exporters.duckdb import COLUMNS, DuckDBSink, duckdb_library, retried
from otel_genai_exporters.duckdb_lines import cast_of, sql_text

if TYPE_CHECKING:
    import duckdb

__all__ = ["KeptOpen", "Reading"]

_LEFT_OUT: Final = frozenset({"id", "lines"})
"""What no sum is made of, and most of the file otherwise. These columns are there, and empty."""

_HAS_CACHE: Final = """usage LIKE '%"cache_%'"""
_RATED: Final = ", ".join(f"'{leaf}'" for leaf in sorted({*CACHE_LEAVES, *CACHE_LEAVES.values()}))
_LINES: Final = '[{"kind":"VARCHAR","leaf":"VARCHAR","unit_price":"VARCHAR","per":"BIGINT"}]'
_RATES: Final = (
    "array_to_string(list_sort([x.leaf || ' ' || x.unit_price || ' ' || x.per"
    f" FOR x IN from_json(lines, '{_LINES}') IF x.kind = 'list' AND x.leaf IN ({_RATED})]), ';')"
)
_DERIVED: Final[Mapping[str, tuple[str, str]]] = {
    **{
        leaf: ("BIGINT", f"CAST(json_extract_string(usage, '$.{leaf}') AS BIGINT)")
        for leaf in CACHE_LEAVES
    },
    "cache_rates": ("VARCHAR", _RATES),
}
"""Columns that are worked out as entries come in, of calls that caches took part in: tokens of each kind, and what the
lines, which are left out, have of list prices: `LEAF PRICE PER` each."""

_WORKED_OUT: Final = tuple(
    f"CASE WHEN {_HAS_CACHE} THEN {sql} END AS {name}" for name, (_, sql) in _DERIVED.items()
)
_COPIED: Final = ", ".join((*(name for name in COLUMNS if name not in _LEFT_OUT), *_WORKED_OUT))
_COPIED_AT_ONCE: Final = 500_000
"""So few that whoever writes the file that they come from waits less than it does before it gives up."""

_CORRECTED: Final = "CREATE OR REPLACE TABLE corrected AS SELECT * FROM entries LIMIT 0"
"""All entries of charges that were corrected, once more: what is asked of these alone is then asked of few."""

_COLUMNS_SQL: Final = """SELECT column_name FROM duckdb_columns()
 WHERE table_name = ? AND database_name = current_database() ORDER BY column_index"""
_NEWLY_SQL: Final = """SELECT min(occurred), max(occurred) FROM entries
 WHERE seq > $1 AND seq <= $2 AND revision > 0"""
_CORRECT_SQL: Final = """INSERT INTO corrected BY NAME SELECT * FROM entries
 WHERE seq <= $2 AND occurred BETWEEN $3 AND $4
   AND charge_id IN (SELECT charge_id FROM entries WHERE seq > $1 AND seq <= $2 AND revision > 0)
   AND (seq > $1 OR charge_id NOT IN (SELECT charge_id FROM corrected))"""
"""An entry that corrects has the time of its call, so that only those of about that time are looked at."""

_KEPT: Final = "ATTACH ':memory:' AS kept"
_KEPT_SQL: Final = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'kept'"

_MEMORY: Final = "SET memory_limit = '320MB'"
_PROGRESS: Final = "SET enable_progress_bar = true; SET enable_progress_bar_print = false"


class Reading:
    """What is read in one go: the same entries for every query, until it is closed.

    Args:
        db: a cursor of its own.
        path: of the file, for messages.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._db, self._path, self._library = db, path, duckdb_library()
        self._is_cancelled = False
        db.execute(_PROGRESS)
        db.execute("BEGIN TRANSACTION")

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Rows of a query over `entries`.

        Args:
            sql: the query.
            parameters: of it.

        Raises:
            GenAICostError: if it is cancelled, or the file cannot be read.
        """
        if self._is_cancelled:
            raise GenAICostError("the query was cancelled")
        try:
            found = self._db.execute(sql, list(parameters))
            columns = tuple(column[0] for column in found.description or ())
            return Rows(columns, found.fetchall())
        except self._library.InterruptException:
            raise GenAICostError("the query was cancelled") from None
        except self._library.Error as error:
            raise GenAICostError(f"{self._path}: {error}") from None

    def position(self) -> tuple[str, int]:
        """Whose entries there are, and the last of them; none before the first."""
        found = self.query("SELECT ledger_id, seq FROM position").rows
        return (str(found[0][0]), int(found[0][1])) if found else ("", 0)

    def keep(self, name: str, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Keep what a query gives, in memory, for the queries of this reading and of those that begin after it.

        Args:
            name: of the relation, which is `kept.NAME`; one that there is none of.
            sql: the query.
            parameters: of it.

        Returns:
            How many rows there are.

        Raises:
            GenAICostError: as `query`.
        """
        return int(self.query(f"CREATE TABLE kept.{name} AS {sql}", parameters).rows[0][0])

    def kept(self) -> frozenset[str]:
        """The names of what was kept, as far as it is seen by this reading."""
        return frozenset(name for (name,) in self.query(_KEPT_SQL).rows)

    def cancel(self) -> None:
        """End the query that is running, and let no other begin. For any thread, as often as it likes."""
        self._is_cancelled = True
        with suppress(self._library.ConnectionException):  # it may be closed by now
            self._db.interrupt()

    def progress(self) -> float:
        """What part of the query that is running is done, in percent; below zero where that is not known."""
        with suppress(self._library.ConnectionException):
            return float(self._db.query_progress())
        return -1.0

    def close(self) -> None:
        """End it."""
        with suppress(self._library.Error):  # of one that was cancelled nothing is kept
            self._db.execute("COMMIT")
        self._db.close()


class KeptOpen(DuckDBSink):
    """Entries in a file that no other process may open meanwhile.

    Args:
        path: the file.

    Raises:
        GenAICostError: if another process holds it, or it is damaged.
    """

    _frugal = ""
    _tables = ("entries", "corrected", "position")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        own = (cast_of(name) for name in COLUMNS if name not in _LEFT_OUT)
        self._selected = ", ".join((*own, *_WORKED_OUT))
        self._db = super()._connect(read_only=False)
        self._db.execute(_MEMORY)
        self._db.execute(_KEPT)
        with self._open(read_only=False) as db:
            is_older = _add_derived(db)
            self._has_tables = True
        if is_older:
            self.reset()

    def _connect(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        return self._db.cursor()

    def reading(self) -> Reading:
        """Begin to read."""
        return Reading(self._db.cursor(), self.path)

    def forget(self, kept: Container[str]) -> None:
        """Let go of what readings keep. Readings that began before still have it.

        Args:
            kept: the names of what is not meant.
        """
        with closing(self._db.cursor()) as db:
            for (name,) in db.execute(_KEPT_SQL).fetchall():
                if name not in kept:
                    db.execute(f"DROP TABLE kept.{name}")

    def copy_from(self, path: Path, ledger_id: str) -> int:
        """Take over what the sink of reports has, which is faster than from the ledger.

        Args:
            path: of its file.
            ledger_id: whose entries they have to be, else nothing is taken.

        Returns:
            The last entry that was.

        Raises:
            GenAICostError: if it cannot be read.
        """
        mark = self.mark()
        if mark is not None and mark.ledger_id != ledger_id:
            self.reset()
            mark = None
        seq = 0 if mark is None else mark.seq
        while (more := self._copied(path, Mark(ledger_id, seq))) > seq:
            seq = more
        return seq

    def _copied(self, path: Path, mark: Mark) -> int:
        """Take over the next entries; the last there is then. Between them, the file that they come from is let go, and
        ours is brought in order, which for all of them at once would take minutes at its end."""
        attach = f"ATTACH {sql_text(path)} AS shipped (READ_ONLY)"
        library = duckdb_library()
        try:
            retried(lambda: self._db.execute(attach), library.IOException)
            with self._open(read_only=False) as db:
                last = self._copy(db, mark)
            with suppress(library.TransactionException):  # then it is the next one's
                self._db.execute("CHECKPOINT")
            return last
        except library.Error as error:
            raise GenAICostError(f"cannot read {path}: {error}") from None
        finally:
            self._db.execute("DETACH DATABASE IF EXISTS shipped")

    def _copy(self, db: duckdb.DuckDBPyConnection, mark: Mark) -> int:
        row = db.execute("SELECT ledger_id, seq FROM shipped.position").fetchone()
        if row is None or row[0] != mark.ledger_id or row[1] <= mark.seq:
            return mark.seq
        last = min(int(row[1]), mark.seq + _COPIED_AT_ONCE)
        db.execute("BEGIN")
        db.execute(
            f"INSERT INTO entries BY NAME SELECT {_COPIED} FROM shipped.entries WHERE seq > ? AND seq <= ?",
            [mark.seq, last],
        )
        self._note(db, mark.seq, Mark(mark.ledger_id, last))
        db.execute("COMMIT")
        return last

    def _note(self, db: duckdb.DuckDBPyConnection, after_seq: int, mark: Mark) -> None:
        ends = db.execute(_NEWLY_SQL, [after_seq, mark.seq]).fetchone()
        if ends is not None and ends[0] is not None:
            db.execute(_CORRECT_SQL, [after_seq, mark.seq, *ends])
        super()._note(db, after_seq, mark)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def _add_derived(db: duckdb.DuckDBPyConnection) -> bool:
    """Add the columns and the table that a file of an older version lacks; whether it lacked anything. What it has is
    to be brought in again."""
    missing = [name for name in _DERIVED if name not in _columns(db, "entries")]
    for name in missing:
        db.execute(f"ALTER TABLE entries ADD COLUMN {name} {_DERIVED[name][0]}")
    if _columns(db, "corrected") == _columns(db, "entries"):
        return bool(missing)
    db.execute(_CORRECTED)
    return True


def _columns(db: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Of a table, in their order; none where there is none."""
    return [name for (name,) in db.execute(_COLUMNS_SQL, [table]).fetchall()]
