"""What a batch is made of, on disk: a recording may be larger than memory.

A private file of SQLite without a name, in the system's temporary folder: nobody else can open it, and it is gone with
the process, however that ends. Small batches never reach the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.journal.codec import decode, encode_lossy
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.ledger.storage.rows import batches, marks
from otel_genai_cost.otlp.ancestry import ancestors

__all__ = ["BatchFile", "Metered", "Row"]

_CACHE_KB: Final = 8_192
_WRITTEN_TOGETHER: Final = 1_000
"""Rows of a table."""

_SCHEMA: Final = f"""
PRAGMA cache_size = -{_CACHE_KB}; PRAGMA temp_store = FILE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
CREATE TABLE span (key BLOB, parent BLOB);
CREATE TABLE observation (n INTEGER PRIMARY KEY, recording INTEGER, trace BLOB, parent BLOB, body BLOB);
CREATE TABLE same_trace (key INTEGER, n INTEGER);
CREATE TABLE named (key INTEGER, is_single INTEGER, first_hour INTEGER, last_hour INTEGER, n INTEGER);
CREATE TABLE twin (key INTEGER, scopes INTEGER, n INTEGER);
CREATE TABLE suspect (root INTEGER PRIMARY KEY);
CREATE TABLE response (key INTEGER, scopes INTEGER, n INTEGER);
CREATE TABLE component (root INTEGER, n INTEGER, PRIMARY KEY (root, n)) WITHOUT ROWID;
CREATE TABLE later (n INTEGER PRIMARY KEY, body BLOB);
BEGIN
"""


class Row(NamedTuple):
    """An observation as it is put on file: `n` counts them, from 0; the path above it is found once all spans are."""

    n: int
    recording: int
    trace_id: int
    parent_id: int
    observation: Observation


class Metered(NamedTuple):
    """An observation of the batch, the number of the recording that it came of, and all that it says, in one: what the
    ledger knows an observation by, since an identical copy is no second one."""

    n: int
    recording: int
    observation: Observation
    content: tuple[bytes, tuple[str, ...]]


class BatchFile:
    """The file. Its methods raise sqlite3.Error where the folder of temporary files has no room."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._unwritten: dict[str, list[Sequence[Any]]] = {}

    def close(self) -> None:
        """Let go of it."""
        self._db.close()

    def put_span(self, key: int, parent_id: int) -> None:
        """Put a span on file: what is known by this key stands below that one, 0 for none."""
        self.put("span", (_wide(key), parent_id.to_bytes(8, "big")))

    def put_observation(self, row: Row) -> None:
        """Put an observation on file."""
        n, recording, trace_id, parent_id, one = row
        ids = trace_id.to_bytes(16, "big"), parent_id.to_bytes(8, "big")
        self.put("observation", (n, recording, *ids, encode_lossy(to_record(one))))

    def put(self, table: str, row: Sequence[Any]) -> None:
        """Append a row to a table, or replace the one with its key; it is there when somebody asks.

        Args:
            table: of the schema.
            row: a value for each column.
        """
        rows = self._unwritten.setdefault(table, [])
        rows.append(row)
        if len(rows) >= _WRITTEN_TOGETHER:
            self._write(table)

    def _write(self, table: str) -> None:
        if rows := self._unwritten.pop(table, None):
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks(rows[0])})", rows)

    def ask(self, select: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement, as they are asked for."""
        for table in [*self._unwritten]:
            self._write(table)
        return iter(self._db.execute(select, values))

    def clear(self, table: str) -> None:
        """Forget what a table has."""
        self._unwritten.pop(table, None)
        self._db.execute(f"DELETE FROM {table}")

    def end_spans(self) -> None:
        """All spans are there: from now on they can be looked up."""
        self._write("span")
        self._db.execute("CREATE INDEX span_key ON span (key)")

    def load(self, numbers: Sequence[int]) -> Iterator[Metered]:
        """Observations with the spans above them, in the order of their numbers.

        Args:
            numbers: ascending.
        """
        parent_of = _remembered(self._parent_of)
        for part in batches(numbers):
            rows = self.ask(
                "SELECT n, recording, trace, parent, body FROM observation"
                f" WHERE n IN ({marks(part)}) ORDER BY n",
                *part,
            )
            for n, recording, trace, parent, body in rows:
                above = ancestors(
                    int.from_bytes(trace, "big"), int.from_bytes(parent, "big"), parent_of
                )
                path = tuple([f"{ancestor:016x}" for ancestor in above])
                one = from_record(decode(body))._replace(path=path)
                yield Metered(n, recording, one, (body, path))

    def _parent_of(self, key: int) -> int:
        """Of the copies of a span the last one counts."""
        row = self._db.execute(
            "SELECT parent FROM span WHERE key = ? ORDER BY rowid DESC LIMIT 1", (_wide(key),)
        ).fetchone()
        return 0 if row is None else int.from_bytes(row[0], "big")


def _wide(key: int) -> bytes:
    return key.to_bytes(24, "big")


def _remembered(function: Callable[[int], int]) -> Callable[[int], int]:
    """What it gave for each number, asked once."""
    known: dict[int, int] = {}

    def ask(key: int) -> int:
        found = known.get(key)
        if found is None:
            found = known[key] = function(key)
        return found

    return ask
