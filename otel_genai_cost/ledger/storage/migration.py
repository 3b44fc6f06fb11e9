"""A ledger of an older format is brought up to date in place: one transaction, so that a crash leaves it as it was.

Each row is read back from what is written and compared with what it was, before anything is final.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.codec import decode
from otel_genai_cost.ledger.entry import Entry, entry_of
from otel_genai_cost.ledger.packed_id import packed_id
from otel_genai_cost.ledger.storage.entry_rows import INSERT_ENTRY, EntryRows
from otel_genai_cost.ledger.storage.observation_rows import ObservationRows, PackedRow
from otel_genai_cost.ledger.storage.rows import marks, read_row
from otel_genai_cost.ledger.storage.schema import FORMAT, statements
from otel_genai_cost.ledger.storage.texts import Texts

__all__ = ["compact", "migrate"]

_logger = logging.getLogger("otel_genai_cost")

_BATCH: Final = 2_000
_OLD_INDEXES: Final = ("waiting", "charge", "span", "trace", "response")
_OLD_COLUMNS: Final = "n, body, digest, ripe_us, ingested_us, settled, charge_id, rule, ignored"
_COLUMNS: Final = (
    *PackedRow._fields,
    *("n", "ripe_us", "ingested_us", "settled", "charge_id", "rule", "ignored"),
)
_INSERT: Final = f"INSERT INTO observation ({', '.join(_COLUMNS)}) VALUES ({marks(_COLUMNS)})"


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring a file of format 1 up to date; any other is left as it is.

    Args:
        db: a connection that may write.
        path: the file, for messages.

    Raises:
        LedgerError: if a row is damaged; the file is as it was.
        sqlite3.Error: if it cannot be written.
    """
    if not _is_old(db):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        if _is_old(db):  # another process may have been faster
            _logger.warning("the ledger %s is brought from format 1 to %d", path, FORMAT)
            _migrate(db, path)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def compact(db: sqlite3.Connection, path: Path) -> None:
    """Give back the room that the rows of an older format took, and have later room given back bit by bit. It takes
    room for a copy; without that the file stays as long as it is, and its free pages are used first.

    Args:
        db: a connection that may write.
        path: the file, for messages.
    """
    facts = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "auto_vacuum")]
    if facts != [FORMAT, 0]:
        return
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("VACUUM")
    except sqlite3.Error as error:
        _logger.warning("the ledger %s is not made smaller now: %s", path, error)


def _is_old(db: sqlite3.Connection) -> bool:
    has_meta = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
    if has_meta is None:
        return False
    found = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    return found is not None and str(found[0]) == "1"


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    for name in _OLD_INDEXES:
        db.execute(f"DROP INDEX observation_{name}")
    db.execute("DROP INDEX entry_charge")
    for table in ("observation", "entry"):
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in statements():
        db.execute(statement)
    texts = Texts(db)
    _fill(db, _INSERT, _observations(db, path, ObservationRows(texts)))
    _fill(db, INSERT_ENTRY, _entries(db, path, EntryRows(texts)))
    for table in ("observation", "entry"):
        _compare_counts(db, path, table)
        db.execute(f"DROP TABLE old_{table}")
    if "booked" not in (_columns(db, "hold") or ("booked",)):
        db.execute("ALTER TABLE hold ADD COLUMN booked TEXT NOT NULL DEFAULT '0'")
    db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (str(FORMAT),))
    db.execute(f"PRAGMA user_version = {FORMAT}")


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    """None of a table that is not there: who needs it makes it."""
    return [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]


def _fill(db: sqlite3.Connection, insert: str, rows: Iterator[tuple[Any, ...]]) -> None:
    while batch := list(islice(rows, _BATCH)):
        db.executemany(insert, batch)


def _observations(
    db: sqlite3.Connection, path: Path, rows: ObservationRows
) -> Iterator[tuple[Any, ...]]:
    found = db.execute(f"SELECT {_OLD_COLUMNS} FROM old_observation ORDER BY n")
    for n, body, digest, *outcome in found:
        row = _packed(path, rows, n, body)
        ripe_us, ingested_us, settled, charge_id, rule, ignored = outcome
        yield (
            *row._replace(digest=digest[: len(row.digest)]),
            n,
            0 if settled else ripe_us,
            ingested_us,
            settled,
            None if charge_id is None else packed_id(charge_id),
            rule,
            ignored,
        )


def _packed(path: Path, rows: ObservationRows, n: int, body: bytes) -> PackedRow:
    record = read_row(path, "observation", n, lambda: decode(body))
    row = read_row(path, "observation", n, lambda: rows.row(record))
    if _record(rows, row) != record:
        raise _differs(path, "observation", n)
    return row


def _record(rows: ObservationRows, row: PackedRow) -> dict[str, Any]:
    return rows.record((row.id, *row[2:]))


def _entries(db: sqlite3.Connection, path: Path, rows: EntryRows) -> Iterator[tuple[Any, ...]]:
    found = db.execute("SELECT seq, body FROM old_entry ORDER BY seq")
    entries = (_entry(path, seq, body) for seq, body in found)
    while batch := list(islice(entries, _BATCH)):
        for entry, row in zip(batch, rows.rows(batch), strict=True):
            if rows.entry(row) != entry:
                raise _differs(path, "entry", entry.seq)
            yield row


def _entry(path: Path, seq: int, body: str) -> Entry:
    return read_row(path, "entry", seq, lambda: entry_of(decode(body.encode())))


def _compare_counts(db: sqlite3.Connection, path: Path, table: str) -> None:
    counts = {
        db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in (table, f"old_{table}")
    }
    if len(counts) > 1:
        raise _differs(path, table, "?")


def _differs(path: Path, table: str, row: object) -> LedgerError:
    return LedgerError(
        f"row {row} of the table {table} of {path} cannot be brought to format {FORMAT}; the ledger is as it was: "
        "go on with the version that wrote it"
    )
