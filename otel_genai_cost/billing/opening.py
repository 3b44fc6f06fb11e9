"""The outbox's file: made when it is not there, and refused when it is gone or not what it should be."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.ledger.storage.beside import create
from otel_genai_cost.ledger.storage.lock import exclusive
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = ["FILE", "billing_lock", "connect", "is_there"]

FILE: Final = "billing.sqlite"
_BEGUN: Final = "billing.begun"
"""Is beside the outbox from its first moment on: where it is alone, the outbox was lost."""

_LOCK: Final = "billing.lock"
_FORMAT: Final = 1
_BUSY_MS: Final = 10_000


@contextmanager
def billing_lock(home: Path) -> Generator[None, None, None]:
    """Be the one process that counts and delivers for a ledger, for the length of the block.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerLockedError: if another process does.
    """
    refusal = f"another process sends the usage of {home} to billing systems; one is enough"
    with exclusive(home / _LOCK, refusal):
        yield


def is_there(home: Path) -> bool:
    """Whether there is an outbox beside a ledger.

    Raises:
        LedgerError: if there was one, and it is gone.
    """
    if (home / FILE).exists():
        return True
    if (home / _BEGUN).exists():
        raise LedgerError(
            f"{home / FILE} is gone, and it alone knows what billing systems were sent; put a backup of it back, or "
            f"remove {home / _BEGUN} to begin anew: what they do not remember any more is then billed again"
        )
    return False


def connect(home: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Open the outbox of a ledger.

    Args:
        home: the ledger's folder.
        readonly: whether it is only looked at; then it has to be there.

    Raises:
        LedgerError: if it is gone or no outbox.
        FormatTooNewError: if a newer version wrote it.
    """
    path = home / FILE
    try:
        if not is_there(home):
            _make(home, readonly)
        uri = f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rw'}"
        db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        if not readonly:
            db.execute("PRAGMA synchronous = FULL")
        _check(db, path)
    except sqlite3.Error as error:
        raise LedgerError(f"cannot open the outbox {path}: {error}") from None
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    found = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if found is None:
        raise LedgerError(f"{path} is no outbox of billing systems")
    if int(found[0]) > _FORMAT:
        raise FormatTooNewError(f"outbox {path}", found[0], str(_FORMAT))


def _make(home: Path, readonly: bool) -> None:
    if readonly:
        raise LedgerError(f"nothing was sent yet from {home}; run `genai-cost billing run`")
    schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    facts = f"INSERT INTO meta VALUES ('id', '{uuid4().hex}'), ('format', '{_FORMAT}')"
    create(home / FILE, f"{schema}; {facts}")
    replace_file(home / _BEGUN, b"")
    bring_to_disk(home)
