"""The evidence on file in a ledger, and the rows found by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, TypeVar

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.packed_id import packed_id
from otel_genai_cost.ledger.storage.component import COMPONENT_MAX, Component, EvidenceRow
from otel_genai_cost.ledger.storage.rows import IS_SETTLED, Stored, batches, marks

__all__ = ["PARTS", "Candidates"]

PARTS: Final = 24
"""Into so many parts the keys of response ids are cut for pruning: each hour it is another one's turn."""

_KEYS: Final = 1 << 63

_T = TypeVar("_T")


class Candidates(Component):
    """The evidence in an open ledger. `stored` reads rows by number."""

    def __init__(
        self, db: sqlite3.Connection, stored: Callable[[Iterable[int]], list[Stored]]
    ) -> None:
        super().__init__()
        self._db, self._stored = db, stored

    def offer(self, passing: list[EvidenceRow], lasting: list[EvidenceRow]) -> None:
        """Put evidence on file, in the order of its keys, so that each page is gone to once."""
        for table, rows in (("evidence", passing), ("response_evidence", lasting)):
            rows.sort(key=_page_order)
            for part in batches([number for row in rows for number in row]):
                pairs = ",".join(["(?,?)"] * (len(part) // 2))
                self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES {pairs}", part)

    def rows(self, numbers: Iterable[int]) -> list[Stored]:
        """See `Component`."""
        return self._stored(numbers)

    def passing(self, keys: Collection[int]) -> set[int]:
        """See `Component`."""
        return self._numbers("SELECT n FROM evidence WHERE key", keys)

    def lasting(self, keys: Collection[int]) -> set[int]:
        """See `Component`."""
        return self._numbers("SELECT n FROM response_evidence WHERE key", keys)

    def copies(self, calls: Sequence[Observation]) -> set[int]:
        """See `Component`."""
        ids = self._repeated("id", [packed_id(call.id) for call in calls])
        return self._numbers(f"SELECT n FROM observation WHERE {IS_SETTLED} AND id", ids)

    def of_charges(self, charge_ids: Collection[str]) -> set[int]:
        """See `Component`."""
        packed = list(map(packed_id, charge_ids))
        return self._numbers("SELECT n FROM observation WHERE charge_id", packed)

    def of_trace(self, trace_id: str) -> set[int]:
        """See `Component`."""
        rows = self._db.execute(
            f"SELECT n FROM observation WHERE {IS_SETTLED} AND trace_id = ? LIMIT ?",
            (packed_id(trace_id), COMPONENT_MAX),
        )
        return {n for (n,) in rows}

    def repeated(self, calls: Sequence[Observation]) -> tuple[set[str], set[str | None]]:
        """See `Component`."""
        packed = {packed_id(call.trace_id): call.trace_id for call in calls}
        traces = self._repeated("trace_id", packed)
        named = self._repeated("response_id", [call.reading.response_id for call in calls])
        return {packed[one] for one in traces}, named

    def _repeated(self, column: str, values: Iterable[_T]) -> set[_T]:
        """Those of these values that more than one row has."""
        found: set[_T] = set()
        for part in batches([*dict.fromkeys(values)]):
            rows = self._db.execute(
                f"WITH asked (value) AS (VALUES {','.join(['(?)'] * len(part))}) SELECT value FROM asked WHERE"
                f" (SELECT count(*) FROM (SELECT 1 FROM observation WHERE {column} = value LIMIT 2)) > 1",
                part,
            )
            found.update(value for (value,) in rows)
        return found

    def _numbers(self, select: str, values: Collection[object]) -> set[int]:
        numbers: set[int] = set()
        for part in batches(list(values)):
            rows = self._db.execute(f"{select} IN ({marks(part)})", part)
            numbers.update(n for (n,) in rows)
        return numbers

    def prune(
        self,
        evidence_before_us: int,
        responses_before_us: int,
        parts: Iterable[int] = range(PARTS),
    ) -> int:
        """Forget evidence of observations ingested before, inside the caller's transaction. Observations and entries
        stay.

        Args:
            evidence_before_us: evidence of overlap, unix microseconds.
            responses_before_us: response ids.
            parts: which of PARTS of the response ids are looked at, of which there are so many more.

        Returns:
            The number of keys forgotten.
        """
        lasting = self._last_before(responses_before_us)
        keys = sum(self._prune_responses(part, lasting) for part in parts)
        last = self._last_before(evidence_before_us)
        keys += self._db.execute("DELETE FROM evidence WHERE n <= ?", (last,)).rowcount
        mark = f"{last} {evidence_before_us if last else 0}"
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('forgotten', ?)", (mark,))
        return keys

    def _prune_responses(self, part: int, last_n: int) -> int:
        low, high = (_KEYS * one // PARTS for one in (part, part + 1))
        return self._db.execute(
            "DELETE FROM response_evidence WHERE key BETWEEN ? AND ? AND n <= ?",
            (low, high - 1, last_n),
        ).rowcount

    def _last_before(self, us: int) -> int:
        """The last row that was ingested before a time, found by halving: rows are numbered in the order they came."""
        (high,) = self._db.execute("SELECT coalesce(max(n), 0) FROM observation").fetchone()
        low = 0
        while low < high:
            middle = (low + high + 1) // 2
            (ingested_us,) = self._db.execute(
                "SELECT ingested_us FROM observation WHERE n <= ? ORDER BY n DESC LIMIT 1",
                (middle,),
            ).fetchone() or (us - 1,)
            low, high = (middle, high) if ingested_us < us else (low, middle - 1)
        return low

    def forgotten_before_us(self) -> int:
        """Evidence of overlap of what was ingested before is forgotten (unix microseconds); 0 if none is."""
        forgotten = self.forgotten()
        return 0 if forgotten is None else forgotten[1]

    def forgotten(self) -> tuple[int, int] | None:
        """See `Component`."""
        found = self._db.execute("SELECT value FROM meta WHERE key = 'forgotten'").fetchone()
        if found is None:
            return None
        last_n, before_us = map(int, found[0].split())
        return last_n, before_us


def _page_order(row: EvidenceRow) -> int:
    """The upper half of a row's key: enough to go from page to page, and small enough to be compared at once."""
    return row[0] >> 33
