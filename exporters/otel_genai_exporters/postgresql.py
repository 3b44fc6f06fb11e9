"""Entries in a table of PostgreSQL, or in a hypertable where TimescaleDB is there.

A batch is one transaction: its entries by COPY, and the position. The position's table is locked meanwhile, so that of
two that feed one table each sees what the other stored. A connection that fails is given up, and the next batch has one
of its own: a password that is renewed in libpq's password file is read then.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_genai_cost.errors import ConfigurationError, GenAICostError, MissingExtraError
from otel_genai_cost.ledger.day_sums import DaySum, sums_in_rows
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Rejected
from otel_genai_exporters.entry_columns import typed
from otel_genai_exporters.libpq_waiting import CONNECTION, hung_up_after
from otel_genai_exporters.unfit import Row, Unfit

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresqlSink"]

_COLUMNS: Final = typed(
    {
        "text": "text",
        "integer": "integer",
        "bigint": "bigint",
        "money": "numeric(38,18)",
        "instant": "timestamp",
    }
)
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS {entries} ("
    + ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    + ", PRIMARY KEY (seq, occurred));"
    + "CREATE INDEX IF NOT EXISTS entries_occurred ON {entries} (occurred);"
    + "CREATE INDEX IF NOT EXISTS entries_charge ON {entries} (charge_id);"
    + "CREATE TABLE IF NOT EXISTS {position} (ledger_id text NOT NULL, seq bigint NOT NULL);"
)
"""A key without the time would be refused by TimescaleDB. Times are UTC without a zone."""

_HYPERTABLE: Final = (
    "SELECT create_hypertable(%s::regclass, 'occurred', chunk_time_interval => interval '7 days',"
    " create_default_indexes => false, if_not_exists => true, migrate_data => true)"
)
_HAS_TIMESCALE: Final = "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"
_HAS_SCHEMA: Final = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
_KNOWN: Final = "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = 'entries'"
_COPY: Final = f"COPY {{entries}} ({', '.join(_COLUMNS)}) FROM STDIN"
_DAYS: Final = (
    "SELECT occurred::date - date '1970-01-01', currency, count(*), sum(amount)::text, {tenant}"
    " FROM {entries} WHERE seq <= %s GROUP BY 1, 2, 5"
)
_TIMEOUTS: Final = "SET lock_timeout = '5s'; SET client_min_messages = warning"
_COMPARED_S: Final = 3_600.0
"""How long the sums of all days may take, for which somebody waits."""

_YEARS: Final = (1, 10_000)
_UNQUOTED: Final = re.compile(r"[a-z_][a-z0-9_]*")
_BITES: Final = re.compile(r"[\0\\\n\r\t\ud800-\udfff]")


class PostgresqlSink:
    """Entries in PostgreSQL.

    Attributes:
        answered_s: How long a batch may take: settlement and all other sinks wait for it.

    Args:
        path: The file that holds what was set aside.
        address: Of the database, as libpq takes it: `postgresql://…`, or `host=… dbname=…`.
        schema: Where the tables `entries` and `entries_position` are made. One for each ledger.

    Raises:
        ConfigurationError: if the address or the schema cannot be used.
        MissingExtraError: without psycopg.
    """

    answered_s: float = 120.0

    def __init__(self, path: Path, address: str = "", schema: str = "public") -> None:
        self._library = _psycopg()
        self._given = _parameters(self._library, address)
        if not _UNQUOTED.fullmatch(schema):
            raise ConfigurationError(
                "no schema of PostgreSQL",
                value=schema,
                remedy="use lower-case letters, digits and underscores",
            )
        self._schema = schema
        self._tables = {"entries": f"{schema}.entries", "position": f"{schema}.entries_position"}
        self._unfit = Unfit(path, "PostgreSQL", _YEARS)
        self._db: psycopg.Connection[Any] | None = None

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What each option means."""
        return {
            "address": "postgresql://USER@HOST/DATABASE, or env:NAME where it has a password",
            "schema": "where the tables are made, one for each ledger; public",
        }

    @property
    def endpoint(self) -> str:
        place = {**self._given, "host": self._given.get("host", "localhost")}
        port = f":{place['port']}" if "port" in place else ""
        return f"postgresql://{place['host']}{port}/{place.get('dbname', '')}?schema={self._schema}"

    def mark(self) -> Mark | None:
        with self._transaction() as db:
            if not _has_tables(db, self._tables):
                return None
            return self._mark(db)

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        if entries:
            self._append(ledger_id, entries)

    def _append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        with self._transaction() as db:
            self._make_tables(db)
            db.execute(self._sql("LOCK TABLE {position} IN EXCLUSIVE MODE"))
            known = self._mark(db)
            if known is None:
                self._check_empty(db)
            elif known.ledger_id != ledger_id:
                raise GenAICostError(
                    f"{self.endpoint} is fed by another ledger, {known.ledger_id}; give each a schema of its own"
                )
            fresh = [one for one in entries if known is None or one.seq > known.seq]
            failure = self._store(db, ledger_id, fresh)
        if failure is not None:
            raise failure

    def _store(
        self, db: psycopg.Connection[Any], ledger_id: str, fresh: Sequence[Entry]
    ) -> GenAICostError | None:
        """Store entries and the position, up to the first that is unfit; what is to be raised of it."""
        last_seq, failure = 0, None
        with db.cursor() as cursor, cursor.copy(self._sql(_COPY)) as copy:
            try:
                for entry, row in self._unfit.rows(fresh):
                    if row is not None:
                        copy.write(_line(row))
                    last_seq = entry.seq
            except GenAICostError as error:
                failure = error
        if last_seq:
            db.execute(self._sql("DELETE FROM {position}"))
            db.execute(self._sql("INSERT INTO {position} VALUES (%s, %s)"), (ledger_id, last_seq))
        return failure

    def reset(self) -> None:
        with self._transaction() as db:
            self._make_tables(db)
            db.execute(self._sql("TRUNCATE {entries}, {position}"))
        self._unfit.reset()

    def days(self, upto_seq: int) -> list[DaySum]:
        return self._days(upto_seq, "NULL::text")

    def tenant_days(self, upto_seq: int) -> list[DaySum]:
        return self._days(upto_seq, "tenant")

    def _days(self, upto_seq: int, tenant: str) -> list[DaySum]:
        statement = self._sql(_DAYS.replace("{tenant}", tenant))
        with self._transaction(_COMPARED_S) as db:
            rows = db.execute(statement, (upto_seq,)) if _has_tables(db, self._tables) else ()
            return sums_in_rows(rows)

    def rejected(self) -> list[Rejected]:
        return self._unfit.rejected()

    def set_aside(self, ledger_id: str) -> Rejected | None:
        return self._unfit.set_aside(ledger_id)

    def send_again(self, ledger_id: str, entry: Entry) -> str:
        row = self._unfit.row(entry)
        if isinstance(row, str):
            return row
        with self._transaction() as db:
            db.execute(self._sql("LOCK TABLE {position} IN EXCLUSIVE MODE"))
            found = self._sql("SELECT 1 FROM {entries} WHERE seq = %s")
            if db.execute(found, (entry.seq,)).fetchone() is None:
                with db.cursor() as cursor, cursor.copy(self._sql(_COPY)) as copy:
                    copy.write(_line(row))
        self._unfit.taken(entry.seq)
        return ""

    def close(self) -> None:
        """Close the connection; a second time nothing."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(self._library.Error):
                db.close()

    def _sql(self, statement: str) -> Any:
        return statement.format(**self._tables)

    def _mark(self, db: psycopg.Connection[Any]) -> Mark | None:
        row = db.execute(self._sql("SELECT ledger_id, seq FROM {position}")).fetchone()
        return None if row is None else Mark(row[0], row[1])

    def _check_empty(self, db: psycopg.Connection[Any]) -> None:
        if db.execute(self._sql("SELECT 1 FROM {entries} LIMIT 1")).fetchone() is not None:
            raise GenAICostError(
                f"{self.endpoint} has entries and no position: something else filled the table; "
                "`genai-cost sinks refill` empties it and fills it again"
            )

    @contextmanager
    def _transaction(
        self, timeout_s: float | None = None
    ) -> Generator[psycopg.Connection[Any], None, None]:
        """A transaction; the connection is given up where it fails."""
        try:
            with hung_up_after(timeout_s or self.answered_s, lambda: self._db):
                db = self._opened()
                with db.transaction():
                    yield db
        except self._library.Error as error:
            self.close()
            said = " ".join(str(error).split()) or type(error).__name__
            raise GenAICostError(f"{self.endpoint}: {said}") from None

    def _opened(self) -> psycopg.Connection[Any]:
        if self._db is None or self._db.closed:
            db: psycopg.Connection[Any] = self._library.connect(
                autocommit=True, **{**CONNECTION, **self._given}
            )
            self._db = db
            db.execute(_TIMEOUTS)
        return self._db

    def _make_tables(self, db: psycopg.Connection[Any]) -> None:
        """Make the tables that are not there, and the columns that one of an older version lacks."""
        if not _has_tables(db, self._tables):
            if db.execute(_HAS_SCHEMA, (self._schema,)).fetchone() is None:
                db.execute(self._sql(f"CREATE SCHEMA {self._schema}"))
            db.execute(self._sql(_SCHEMA))
            if db.execute(_HAS_TIMESCALE).fetchone() is not None:
                db.execute(_HYPERTABLE, (self._tables["entries"],))
        known = {row[0] for row in db.execute(_KNOWN, (self._schema,)).fetchall()}
        for name in _COLUMNS:
            if name not in known:
                db.execute(self._sql(f"ALTER TABLE {{entries}} ADD COLUMN {name} {_COLUMNS[name]}"))


def _has_tables(db: psycopg.Connection[Any], tables: dict[str, str]) -> bool:
    names = list(tables.values())
    row = db.execute(
        "SELECT count(to_regclass(name)) FROM unnest(%s::text[]) AS name", (names,)
    ).fetchone()
    return row is not None and row[0] == len(names)


def _line(row: Row) -> bytes:
    return ("\t".join(_cells(row)) + "\n").encode()


def _cells(row: Row) -> Iterator[str]:
    for name in _COLUMNS:
        value = row.get(name)
        if value is None:
            yield "\\N"
        elif isinstance(value, str):
            yield _BITES.sub(_escaped, value) if _BITES.search(value) else value
        else:
            yield str(value)


_ESCAPED: Final = {
    "\0": "\N{REPLACEMENT CHARACTER}",
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def _escaped(found: re.Match[str]) -> str:
    """What stands for a character; PostgreSQL takes no zero byte, and a half of a pair has no UTF-8."""
    return _ESCAPED.get(found[0], "?")


def _parameters(library: Any, address: str) -> dict[str, str]:
    if not address:
        raise ConfigurationError(
            "the sink has no address",
            remedy="`genai-cost sinks add NAME --kind postgresql --option address=postgresql://…`",
        )
    try:
        found: dict[str, str] = library.conninfo.conninfo_to_dict(address)
    except library.Error:  # what it says may have the password
        raise ConfigurationError(
            "no address of PostgreSQL", remedy="use postgresql://USER@HOST/DATABASE"
        ) from None
    return found


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError:
        raise MissingExtraError("the PostgreSQL sink", "psycopg", "postgresql") from None
    return psycopg
