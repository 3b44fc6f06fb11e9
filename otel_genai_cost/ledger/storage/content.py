"""The digest of what a ledger's entries say, whichever file they are in: of a copy it is the same, or the copy is none.

One pass over the rows in their order. What many say alike goes in as the digest of that text, so that it depends
neither on the numbers of the dictionary nor on anything that is pruned; and since entries never change, that of the
first entries is the same for ever.
"""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from typing import Final

from otel_genai_cost.ledger.storage.texts import Known

__all__ = ["entries_digests"]

_BATCH: Final = 2_000
_ROWS: Final = (
    "SELECT seq, revision, place, occurred_us, booked_us, calls, unpriced, CAST(charge_id AS BLOB), terms, whom,"
    " CAST(body AS BLOB) FROM entry WHERE seq > ? AND seq <= ? ORDER BY seq"
)


def entries_digests(db: sqlite3.Connection, *seqs: int) -> tuple[str, ...]:
    """The SHA-256 of all entries up to each of these.

    Args:
        db: a ledger's file.
        seqs: rising.

    Raises:
        sqlite3.Error: if it cannot be read.
        ValueError: if a row is damaged.
    """

    def text(number: int) -> bytes:
        (body,) = db.execute("SELECT body FROM text WHERE n = ?", (number,)).fetchone()
        return sha256(body).digest()

    digest, before, found = sha256(), 0, list[str]()
    known = Known(text)
    for seq in seqs:
        rows = db.execute(_ROWS, (before, seq))
        try:
            while batch := rows.fetchmany(_BATCH):
                digest.update(
                    b"".join(
                        [
                            b"%d %d %d %d %d %d %d %d %b %b %b %d %b\n"
                            % (
                                *counts,
                                len(charge),
                                charge,
                                known(terms),
                                known(whom),
                                len(own),
                                own,
                            )
                            for *counts, charge, terms, whom, own in batch
                        ]
                    )
                )
        except TypeError as error:
            raise ValueError(f"a row of its entries is damaged: {error}") from None
        found.append(digest.hexdigest())
        before = seq
    return tuple(found)
