"""Opening a ledger's file: made when it is not there, brought up to date when an older version wrote it, or read as it
stands."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final
from uuid import uuid4

from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.ledger.packed_id import register
from otel_genai_cost.ledger.storage.beside import connect_to_read, create, script_of
from otel_genai_cost.ledger.storage.keeping import (
    refuse_half_restored,
    refuse_rebuild,
    refuse_standby,
)
from otel_genai_cost.ledger.storage.migration import compact, migrate
from otel_genai_cost.ledger.storage.schema import FORMAT, statements

__all__ = ["checked_id", "connect"]

_BUSY_MS: Final = 5_000
_CHECKPOINT_PAGES: Final = 4_096
"""The write-ahead log goes into the file once it is as long as the cache: its pages are written once, not each time."""


def checked_id(path: Path, meta: dict[str, str]) -> str:
    """The ledger's id.

    Args:
        path: the file, for errors.
        meta: its table of that name.

    Raises:
        FormatTooNewError: if a newer version wrote the file.
        LedgerError: if an older version wrote it, and it is only to be read.
        ValueError: if it has no id.
    """
    found = int(meta["format"])
    if found > FORMAT:
        raise FormatTooNewError(f"ledger {path}", meta["format"], FORMAT)
    if found < FORMAT:
        raise LedgerError(
            f"the ledger {path} has format {found}, and this version reads format {FORMAT}; run `genai-cost ship` "
            "once, which brings it up to date in place"
        )
    if not meta["id"]:
        raise ValueError("no id")
    return meta["id"]


def connect(path: Path, readonly: bool) -> sqlite3.Connection:
    """Open the file of a ledger, made if it is not there and is to be written. Raises sqlite3.Error, LedgerError."""
    refuse_half_restored(path.parent)
    if readonly:
        return _connect_to_read(path)
    refuse_standby(path.parent)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists() or not path.stat().st_size:
        refuse_rebuild(path.parent)
        create(path, _script())
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        f"PRAGMA busy_timeout = {_BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        f"PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES};"
    )
    register(db)
    migrate(db, path)
    compact(db, path)
    return db


def _script() -> str:
    identity = f"INSERT INTO meta VALUES ('id', '{uuid4().hex}')"
    schema = ";".join((*statements(), identity, f"PRAGMA user_version = {FORMAT}"))
    return script_of(schema, FORMAT, "auto_vacuum = INCREMENTAL")


def _connect_to_read(path: Path) -> sqlite3.Connection:
    db = connect_to_read(path)
    register(db)
    return db
