"""The digest of what a ledger's entries say, whichever file they are in: of a copy it is the same, or the copy is none.

One pass over the rows in their order. What many say alike goes in as the digest of that text, so that it depends
neither on the numbers of the dictionary nor on anything that is pruned; and since entries never change, that of the
first entries is the same for ever.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Final

from otel_genai_cost.ledger.storage.texts import Known

__all__ = ["entries_digest"]

_BATCH: Final = 2_000
_ROWS: Final = (
    "SELECT seq, revision, place, occurred_us, booked_us, calls, unpriced, CAST(charge_id AS BLOB), terms, whom,"
    " CAST(body AS BLOB) FROM entry WHERE seq <= ? ORDER BY seq"
)
_SAID: Final = b"%d %d %d %d %d %d %d %d %b %b %b %d %b\n"


def entries_digest(db: sqlite3.Connection, seq: int) -> str:
    """The SHA-256 of all entries up to one.

    Args:
        db: a ledger's file.
        seq: of the last of them.

    Raises:
        sqlite3.Error: if it cannot be read.
        ValueError: if a row is damaged.
    """

    def text(number: int) -> bytes:
        (body,) = db.execute("SELECT body FROM text WHERE n = ?", (number,)).fetchone()
        return sha256(body).digest()

    digest, known = sha256(), Known(text)
    rows = db.execute(_ROWS, (seq,))
    try:
        while batch := rows.fetchmany(_BATCH):
            digest.update(_said(batch, known))
    except TypeError as error:
        raise ValueError(f"a row of its entries is damaged: {error}") from None
    return digest.hexdigest()


def _said(rows: Iterable[tuple[Any, ...]], known: Callable[[int], bytes]) -> bytes:
    """What these say, with the digests of their texts."""
    return b"".join(
        [
            _SAID % (*counts, len(charge), charge, known(terms), known(whom), len(own), own)
            for *counts, charge, terms, whom, own in rows
        ]
    )
