"""Looking over the whole ledger for what nothing is indexed by: it reads every row, and only a person asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple

from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.ledger.storage.candidates import Stored

__all__ = ["Extent", "Lookup"]


class Extent(NamedTuple):
    """How many calls are booked, and when the first and the last occurred (unix microseconds, None without any)."""

    calls: int
    first_us: int | None
    last_us: int | None


class Lookup:
    """Questions to a ledger's file; `stored` gives the observations of rows."""

    def __init__(
        self, db: sqlite3.Connection, stored: Callable[[Iterable[int]], list[Stored]]
    ) -> None:
        self._db, self._stored = db, stored

    def response(self, response_id: str) -> list[Stored]:
        """Observations that name this response of a provider, in the order they came; at most 1,000."""
        told = b'"response_id":' + encode_lossy(response_id)
        rows = self._db.execute(
            "SELECT n FROM observation WHERE instr(body, ?) ORDER BY n LIMIT 1000", (told,)
        )
        found = self._stored([row[0] for row in rows])
        named = [one for one in found if one.observation.reading.response_id == response_id]
        return sorted(named, key=lambda one: one.n)

    def extent(self) -> Extent:
        """What is booked."""
        calls, first_us, last_us = self._db.execute(
            "SELECT coalesce(sum(json_extract(body, '$.calls')), 0), min(json_extract(body, '$.occurred_us')),"
            " max(json_extract(body, '$.occurred_us')) FROM entry"
        ).fetchone()
        return Extent(calls, first_us, last_us)
