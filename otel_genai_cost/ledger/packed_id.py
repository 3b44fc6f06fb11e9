"""Ids as a ledger's file has them: hex digits as bytes, which take half the room; anything else as it was written."""

from __future__ import annotations

import sqlite3
from typing import Final

__all__ = ["PackedId", "packed_id", "prefix_range", "register", "shown_id"]

PackedId = bytes | str

_LONGEST: Final = b"\xff" * 32


def packed_id(text: str) -> PackedId:
    """An id as it is stored.

    Args:
        text: hex digits, of which those in lower case become bytes; what else a journal says stays text.
    """
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return text
    return found if found.hex() == text else text


def shown_id(stored: PackedId) -> str:
    """The id that was packed."""
    return stored.hex() if isinstance(stored, bytes) else stored


def prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """Between which stored ids those lie that begin so.

    Args:
        prefix: hex digits.

    Raises:
        ValueError: if they are none.
    """
    digits = prefix.lower()
    odd = len(digits) % 2
    low = bytes.fromhex(digits + "0" * odd)
    return low, bytes.fromhex(digits + "f" * odd) + _LONGEST


def register(db: sqlite3.Connection) -> None:
    """Let statements say `packed_id(…)` and `shown_id(…)`: holds and starts have their ids as text.

    Args:
        db: an open ledger.
    """
    for function in (packed_id, shown_id):
        db.create_function(function.__name__, 1, function, deterministic=True)
