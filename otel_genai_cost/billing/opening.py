"""The outbox's file: made when it is not there, and refused when it is gone or not what it should be."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.beside import (
    check_format,
    connect_to_read,
    connect_to_write,
    create,
    note_begun,
    refuse_lost,
    script_of,
)
from otel_genai_cost.ledger.storage.lock import exclusive

__all__ = ["FILE", "billing_lock", "connect", "is_there"]

FILE: Final = "billing.sqlite"
_LOCK: Final = "billing.lock"
_FORMAT: Final = 1


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
    to_begin = "begin anew: what they do not remember any more is then billed again"
    refuse_lost(home / FILE, "what billing systems were sent", to_begin)
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
        if not readonly:
            note_begun(path)
        db = connect_to_read(path) if readonly else connect_to_write(path, check_same_thread=False)
        check_format(db, path, "outbox", _FORMAT)
    except sqlite3.Error as error:
        raise LedgerError(f"cannot open the outbox {path}: {error}") from None
    return db


def _make(home: Path, readonly: bool) -> None:
    if readonly:
        raise LedgerError(f"nothing was sent yet from {home}; run `genai-cost billing run`")
    schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    identity = f"INSERT INTO meta VALUES ('id', '{uuid4().hex}')"
    create(home / FILE, script_of(f"{schema}; {identity}", _FORMAT))
