"""SQLite files beside the ledger: there whole or not at all, and written all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["create", "transaction"]


def create(path: Path, schema: str) -> None:
    """Make a file, under another name first: whoever finds it finds it whole.

    Args:
        path: the file; another one of that name is replaced.
        schema: statements of SQL, run as one transaction.

    Raises:
        sqlite3.Error, OSError: if it cannot be made.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)  # the files that SQLite puts beside it have its mode
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(f"BEGIN; {schema}; COMMIT;")
    new.replace(path)


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
