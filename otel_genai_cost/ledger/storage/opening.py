"""Opening a ledger's file: made when it is not there, widened when an older version made it, or read as it stands."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final
from uuid import uuid4

from otel_genai_cost.errors import FormatTooNewError
from otel_genai_cost.ledger.storage.keeping import refuse_rebuild

__all__ = ["checked_id", "connect"]

FORMAT: Final = 1
_BUSY_MS: Final = 5_000


def checked_id(path: Path, meta: dict[str, str]) -> str:
    """The ledger's id. Raises FormatTooNewError."""
    if int(meta["format"]) > FORMAT:
        raise FormatTooNewError(f"ledger {path}", meta["format"], FORMAT)
    if not meta["id"]:
        raise ValueError("no id")
    return meta["id"]


def connect(path: Path, readonly: bool) -> sqlite3.Connection:
    if readonly:
        return _connect_to_read(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        refuse_rebuild(path.parent)
        path.touch(mode=0o600)  # the files that SQLite puts beside it have its mode
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        f"PRAGMA busy_timeout = {_BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA cache_size = -65536;"
    )
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
        identity = f"INSERT INTO meta VALUES ('id', '{uuid4().hex}'), ('format', '{FORMAT}');"
        db.executescript(f"BEGIN; {schema} {identity} COMMIT;")
    _widen(db)
    return db


def _widen(db: sqlite3.Connection) -> None:
    """Give a ledger of an older version what it lacks. What it was reading is read again, since it did not note which
    records it had; copies are ignored."""
    if any(row[1] == "missing" for row in db.execute("PRAGMA table_info(segment)")):
        return
    db.executescript(
        "BEGIN;"
        "ALTER TABLE segment ADD COLUMN missing TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE segment ADD COLUMN process TEXT NOT NULL DEFAULT '';"
        "UPDATE segment SET missing = '1-' || (max(seq_max, coalesce(sealed, 0)) - records)"
        " WHERE finished AND max(seq_max, coalesce(sealed, 0)) > records;"
        "UPDATE segment SET byte_offset = 0, records = 0, seq_max = 0, sealed = NULL, damaged = 0 WHERE NOT finished;"
        "CREATE TABLE started (id TEXT PRIMARY KEY, process TEXT NOT NULL, due_us INTEGER NOT NULL,"
        " body BLOB NOT NULL) WITHOUT ROWID;"
        "COMMIT;"
    )


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """Readers of a write-ahead log need a file beside it. In a folder that cannot be written there may be none: without
    a log nobody is writing, and the ledger is read as it stands."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        db.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if not path.exists() or (log.exists() and log.stat().st_size):
            raise
        db.close()
        db = sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
    return db
