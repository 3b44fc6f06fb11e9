"""The embedded default: entries in a DuckDB file that reports read.

DuckDB lets either one writer or several readers at a file. So a batch is: open, write, close; and both sides retry for
a few seconds. Batches go in as JSON Lines, which every DuckDB since 1.2 loads fast and exactly, decimals as text.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_genai_cost.attributes import LABELS
from otel_genai_cost.errors import GenAICostError, MissingExtraError
from otel_genai_cost.ledger.entry import Entry, entry_record, tokens_of
from otel_genai_cost.ledger.sink import Mark, Rows
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

if TYPE_CHECKING:
    import duckdb

__all__ = ["COLUMNS", "DuckDBSink"]

_IF_DAMAGED: Final = "if it is damaged, delete it: the next `genai-cost ship` fills it again"
_RETRY_S: Final = 5.0
_FRUGAL: Final = "SET threads = 1; SET memory_limit = '64MB'"
"""While entries are loaded: with a thread for each core and most of the memory, which are DuckDB's own defaults, it
takes three times as much, and is no faster."""

_LINE_BYTES: Final = 1 << 20
"""The reader's buffers are twice as long as the longest line may be."""

_RETRY_EVERY_S: Final = 0.05

COLUMNS: Final[Mapping[str, str]] = {
    "seq": "BIGINT",
    "id": "VARCHAR",
    "charge_id": "VARCHAR",
    "revision": "INTEGER",
    "cause": "VARCHAR",
    "cause_id": "VARCHAR",
    "occurred": "TIMESTAMP",
    "booked": "TIMESTAMP",
    "tenant": "VARCHAR",
    "tenant_source": "VARCHAR",
    "absent": "VARCHAR",
    "initiator": "VARCHAR",
    **dict.fromkeys(LABELS, "VARCHAR"),
    "labels": "VARCHAR",
    "service": "VARCHAR",
    "provider": "VARCHAR",
    "model": "VARCHAR",
    "operation": "VARCHAR",
    "reason": "VARCHAR",
    "quality": "VARCHAR",
    "calls": "INTEGER",
    "unpriced": "INTEGER",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "usage": "VARCHAR",
    "lines": "VARCHAR",
    "amount": "DECIMAL(38,18)",
    "currency": "VARCHAR",
    "book": "VARCHAR",
    "flags": "VARCHAR",
    "list_amount": "DECIMAL(38,18)",
    "discount_amount": "DECIMAL(38,18)",
    "markup_amount": "DECIMAL(38,18)",
    "contracts": "VARCHAR",
    "price": "DECIMAL(38,18)",
    "price_currency": "VARCHAR",
}
"""`amount`, the cost, is the sum of `list_amount`, `discount_amount` (below zero) and `markup_amount`; `price` is what
the customer pays, in `price_currency`. Times are UTC without a zone, because fetching zoned ones needs a further
library; `usage`, `lines` and `labels` are JSON text; everything countable is signed."""

_T = TypeVar("_T")


class DuckDBSink:
    """Entries in a DuckDB file.

    Args:
        path: the file, made when the first entries come.

    Raises:
        MissingExtraError: without duckdb.
        GenAICostError: later, if the file stays locked or is no DuckDB file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._has_tables = False
        _duckdb()

    def mark(self) -> Mark | None:
        if not self.path.exists():
            return None
        with self._open(read_only=True) as db:
            if not db.execute(_HAS_SCHEMA).fetchall():
                return None
            row = db.execute("SELECT ledger_id, seq FROM position").fetchone()
        return None if row is None else Mark(row[0], row[1])

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        with self._open(read_only=False) as db, tempfile.TemporaryDirectory() as folder:
            row = db.execute("SELECT seq FROM position").fetchone()
            fresh = [entry for entry in entries if row is None or entry.seq > row[0]]
            if not fresh:
                return
            db.execute(_FRUGAL)
            lines = Path(folder) / "entries.jsonl"
            longest = _LINE_BYTES
            with lines.open("w", encoding="utf-8") as file:
                for line in map(_json_line, fresh):
                    longest = max(longest, 4 * len(line))
                    file.write(line)
            db.execute("BEGIN")
            place = str(lines).replace("'", "''")
            read = f"read_json('{place}', maximum_object_size = {longest}, {_READ})"
            db.execute(f"INSERT INTO entries BY NAME SELECT {_CAST} FROM {read}")
            db.execute("DELETE FROM position")
            db.execute("INSERT INTO position VALUES (?, ?)", [ledger_id, fresh[-1].seq])
            db.execute("COMMIT")

    def reset(self) -> None:
        with self._open(read_only=False) as db:
            db.execute("BEGIN")
            db.execute("DELETE FROM entries")
            db.execute("DELETE FROM position")
            db.execute("COMMIT")

    def close(self) -> None:
        """Nothing: the file is open only while it is used."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Rows of a query over `entries`; an empty table if nothing was ever shipped."""
        if not (self._has_tables and self.path.exists()):
            self._make_tables()
            self._has_tables = True
        with self._open(read_only=True) as db:
            found = db.execute(sql, list(parameters))
            columns = tuple(column[0] for column in found.description or ())
            return Rows(columns, found.fetchall())

    def _make_tables(self) -> None:
        """Make the file or the tables that are not there. Columns that a file of an older version lacks are added;
        where it cannot be written, it is read as it is."""
        if self.mark() is None:
            with self._open(read_only=False):
                return
        with self._open(read_only=True) as db:
            missing = _missing(db)
        if missing and os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
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
        except _duckdb().Error as error:
            raise GenAICostError(f"{self.path}: {error}; {_IF_DAMAGED}") from None
        finally:
            db.close()

    def _connect(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        library = _duckdb()
        connect: Callable[..., duckdb.DuckDBPyConnection] = library.connect
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not self.path.exists()
        try:
            opened = _retried(
                lambda: connect(str(self.path), read_only=read_only), library.IOException
            )
            if is_new:
                self.path.chmod(0o600)  # as private as the ledger
            return opened
        except library.Error as error:
            raise GenAICostError(
                f"cannot open {self.path}: {error}; if another program holds it, close that; {_IF_DAMAGED}"
            ) from None


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("the DuckDB sink", "duckdb", "duckdb") from None
    return duckdb


def _retried(attempt: Callable[[], _T], locked: type[Exception]) -> _T:
    """Wait for a writer or reader to close the file."""
    give_up_s = time.monotonic() + _RETRY_S
    while True:
        try:
            return attempt()
        except locked as error:
            if "lock" not in str(error).lower() or time.monotonic() >= give_up_s:
                raise
            time.sleep(_RETRY_EVERY_S)


def _json_type(kind: str) -> str:
    """Decimals as text: the JSON reader takes fewer digits than the type holds."""
    return "VARCHAR" if kind.startswith("DECIMAL") else kind


_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS entries ("
    + ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    + "); CREATE TABLE IF NOT EXISTS position (ledger_id VARCHAR, seq BIGINT)"
)
_HAS_SCHEMA: Final = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'position'"
_READ: Final = (
    "format = 'newline_delimited', columns = {"
    + ", ".join(f"'{name}': '{_json_type(kind)}'" for name, kind in COLUMNS.items())
    + "}"
)
_CAST: Final = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in COLUMNS.items())


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


def _missing(db: duckdb.DuckDBPyConnection) -> list[str]:
    """The columns that a file of an older version lacks."""
    known = {row[0] for row in db.execute("DESCRIBE entries").fetchall()}
    return [name for name in COLUMNS if name not in known]


def _json_line(entry: Entry) -> str:
    """What is null is left out."""
    record = entry_record(entry)
    record["occurred"] = _timestamp(entry.occurred_us)
    record["booked"] = _timestamp(entry.booked_us)
    for label in LABELS:
        record[label] = record["labels"].get(label)
    record["input_tokens"], record["output_tokens"] = tokens_of(entry)
    sums = {"discount": 0, "markup": 0}
    for line in entry.lines:
        if line.side == "cost" and line.kind in sums:
            sums[line.kind] += line.amount
    record["list_amount"] = format_money(entry.amount - sum(sums.values()))
    record["discount_amount"] = format_money(sums["discount"])
    record["markup_amount"] = format_money(sums["markup"])
    for key in ("labels", "usage", "lines"):
        record[key] = json.dumps(record[key])
    record["flags"] = ",".join(entry.flags)
    values = {name: value for name in COLUMNS if (value := record[name]) is not None}
    return json.dumps(values) + "\n"


def _timestamp(us: int) -> str:
    return rfc3339(us).removesuffix("Z")
