"""The dictionary of a ledger's file: what many rows say in the same words stands there once.

A price row, who reports, or for whom a call was is said by thousands of rows; each has the number of the text. Numbers
are never used again for another text, so that what was read of them may be kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar

from otel_genai_cost.journal.codec import decode_any, encode

__all__ = ["Known", "Texts"]

_KEPT_MAX: Final = 8_192

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Known(Generic[_K, _V]):
    """What was worked out before, at most so much of it.

    Args:
        make: works it out.
        kept_max: how many are kept.
    """

    def __init__(self, make: Callable[[_K], _V], kept_max: int = _KEPT_MAX) -> None:
        self._make, self._kept_max = make, kept_max
        self._found: dict[_K, _V] = {}

    def __call__(self, key: _K) -> _V:
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= self._kept_max:
                self._found.clear()
            found = self._found[key] = self._make(key)
        return found

    def clear(self) -> None:
        """Forget all of it."""
        self._found.clear()


class Texts:
    """The table in an open ledger.

    Args:
        db: its connection.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers = Known(self._number)
        self.value: Known[int, Any] = Known(self._read)
        """What the text of a number says. Raises KeyError if there is none, JournalError if it is damaged."""

    def number(self, value: object) -> int:
        """The number of what a text says, which is written down if it is new, inside the caller's transaction.

        Args:
            value: what JSON can say.
        """
        return self._numbers(encode(value))

    def forget(self) -> None:
        """After a transaction that failed: what it wrote down is not there."""
        self._numbers.clear()
        self.value.clear()

    def _number(self, body: bytes) -> int:
        """Texts are found by a digest; two that have the same are told apart by what they say."""
        digest = int.from_bytes(blake2b(body, digest_size=8).digest(), "big") >> 1
        found = self._db.execute(
            "SELECT n FROM text WHERE digest = ? AND body = ?", (digest, body)
        ).fetchone()
        if found is not None:
            return int(found[0])
        row = self._db.execute("INSERT INTO text (digest, body) VALUES (?,?)", (digest, body))
        return int(row.lastrowid or 0)

    def _read(self, number: int) -> Any:
        found = self._db.execute("SELECT body FROM text WHERE n = ?", (number,)).fetchone()
        if found is None:
            raise KeyError(f"text {number}")
        return decode_any(found[0])
