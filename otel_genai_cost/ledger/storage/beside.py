"""SQLite files beside the ledger: there whole or not at all, written all or nothing, opened to write or to read, and
refused when a newer version wrote them or when they are lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.ledger.storage.keeping import refuse_standby
from otel_genai_cost.whole_files import bring_to_disk

__all__ = [
    "check_format",
    "connect_to_read",
    "connect_to_write",
    "create",
    "note_begun",
    "refuse_lost",
    "script_of",
    "transaction",
]

_READING_BUSY_MS: Final = 5_000
_WRITING_BUSY_MS: Final = 10_000


def script_of(schema: str, number: int, pragma: str = "journal_mode = WAL") -> str:
    """What makes an empty file.

    Args:
        schema: its statements; one makes the table `meta`.
        number: of its format, kept there.
        pragma: what has to be said before anything is in it.
    """
    return (
        f"PRAGMA {pragma}; BEGIN; {schema}; INSERT INTO meta VALUES ('format', '{number}'); COMMIT;"
    )


def create(path: Path, script: str) -> None:
    """Make an empty file, under another name first: a reader finds it whole or not at all.

    Args:
        path: where, for one process at a time.
        script: see `script_of`.

    Raises:
        LedgerError: if the ledger only stands by.
        sqlite3.Error: if it cannot be made.
        OSError: likewise.
    """
    refuse_standby(path.parent)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)  # the files that SQLite puts beside it have its mode
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.executescript(script)
    new.replace(path)


def connect_to_write(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """Open a file that is there, so that what is committed is on the disk.

    Args:
        path: the file.
        check_same_thread: whether only the thread that opened it may use it.

    Raises:
        LedgerError: if the ledger only stands by: its next backup would undo what is written.
        sqlite3.Error: if it cannot be opened.
    """
    refuse_standby(path.parent)
    uri = f"{path.absolute().as_uri()}?mode=rw"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=check_same_thread)
    db.executescript(f"PRAGMA busy_timeout = {_WRITING_BUSY_MS}; PRAGMA synchronous = FULL")
    return db


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a file as it stands. Readers of a write-ahead log need a file beside it. In a folder that cannot be written
    there may be none: without a log nobody is writing, and the file is read as it is.

    Args:
        path: the file.

    Raises:
        sqlite3.Error: if it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        db.execute(f"PRAGMA busy_timeout = {_READING_BUSY_MS}")
        db.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if not path.exists() or (log.exists() and log.stat().st_size):
            raise
        db.close()
        db = sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
    return db


def check_format(db: sqlite3.Connection, path: Path, what: str, newest: int) -> None:
    """Refuse a file that this version cannot read.

    Args:
        db: the file, open.
        path: of it, for messages.
        what: it holds.
        newest: the newest format that this version reads.

    Raises:
        LedgerError: if it does not say its format.
        FormatTooNewError: if a newer version wrote it.
        sqlite3.Error: if it is no such file.
    """
    found = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if found is None or not str(found[0]).isdecimal():
        raise LedgerError(f"{path} holds no {what}; put a backup of it back")
    if int(found[0]) > newest:
        raise FormatTooNewError(f"{what} {path}", found[0], newest)


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None, None, None]:
    """All of the block or nothing of it, also where it is the end of it that fails.

    Args:
        db: whose `isolation_level` is None.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # an error of the disk may have ended it
            db.execute("ROLLBACK")
        raise


def note_begun(path: Path) -> None:
    """Have something beside a file from its first moment on: where that is alone, the file is lost.

    Args:
        path: the file.

    Raises:
        OSError: if it cannot be noted.
    """
    begun = _begun(path)
    if not begun.exists():
        begun.touch(mode=0o600)
        bring_to_disk(path.parent)


def refuse_lost(path: Path, knew: str, to_begin: str) -> None:
    """Refuse to begin a file anew that is not there, but was.

    Args:
        path: the file.
        knew: what it alone knows.
        to_begin: what comes of beginning anew.

    Raises:
        LedgerError: if it was there.
    """
    begun = _begun(path)
    if begun.exists():
        raise LedgerError(
            f"{path} is gone, and it alone knows {knew}; put a backup of it back, or remove {begun} to {to_begin}"
        )


def _begun(path: Path) -> Path:
    return path.with_suffix(".begun")
