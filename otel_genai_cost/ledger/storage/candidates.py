"""The evidence on file, and the candidates found by it: everything that might be the same response."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from struct import unpack
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.packed_id import packed_id
from otel_genai_cost.ledger.settlement.evidence import (
    Key,
    place_keys,
    places_sought,
    response_keys,
    twin_keys,
)
from otel_genai_cost.ledger.storage.rows import IS_SETTLED, Stored, batches, marks

__all__ = ["COMPONENT_MAX", "PARTS", "Candidates"]

PARTS: Final = 24
"""Into so many parts the keys of response ids are cut for pruning: each hour one of them is looked at."""

_KEYS: Final = 1 << 63

COMPONENT_MAX: Final = 20_000
"""Rows that are settled together, where only twins tie them: the same call made over and over, seen by two scopes."""


class _Keys(NamedTuple):
    """The keys that an observation offers, digested: those that are forgotten soon, those of responses, and of the
    former those of twins. Copies of it are found by its id."""

    passing: list[int]
    lasting: list[int]
    twins: list[int]


class Candidates:
    """The evidence in an open ledger. `stored` reads rows by number.

    `cuts` counts how often so many equal calls were about that not all were settled together.
    """

    def __init__(
        self, db: sqlite3.Connection, stored: Callable[[Iterable[int]], list[Stored]]
    ) -> None:
        self._db, self._stored = db, stored
        self._known: dict[int, _Keys] = {}
        self.cuts = 0

    def component(self, start: Sequence[Stored]) -> dict[int, Stored]:
        """`start` and everything that might be the same response, transitively; evidence of `start` is put on file.

        It has to be transitive: with the direct candidates alone, 85 of 3,000 orders of arrival gave another partition
        than settling everything at once, since a member may be tied to a response by another member only.

        Charges come whole. Of rows whose evidence is forgotten the whole trace comes too, so that what was settled once
        is settled alike. Twins are followed up to COMPONENT_MAX rows; where that ends it, `cuts` counts it.
        """
        self._known.clear()
        self._offer(start)
        found = {one.n: one for one in start}
        edge = list(start)
        while edge:
            numbers = self._linked(edge)
            if len(found) < COMPONENT_MAX:
                edge = self._stored(numbers - found.keys()) + self._twins(edge, found, numbers)
            else:
                self.cuts += 1
                edge = self._stored(numbers - found.keys())
            found.update((one.n, one) for one in edge)
        return found

    def _offer(self, stored: Iterable[Stored]) -> None:
        """Put the evidence of these on file, in the order of its keys, so that each page is gone to once."""
        passing: list[tuple[int, int]] = []
        lasting: list[tuple[int, int]] = []
        for one in stored:
            n, keys = one.n, self._keys(one)
            passing += [(key, n) for key in keys.passing]
            lasting += [(key, n) for key in keys.lasting]
        for table, rows in (("evidence", passing), ("response_evidence", lasting)):
            rows.sort(key=_page_order)
            for part in batches([number for row in rows for number in row]):
                pairs = ",".join(["(?,?)"] * (len(part) // 2))
                self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES {pairs}", part)

    def _linked(self, edge: Sequence[Stored]) -> set[int]:
        """Copies of these, and rows that share a key or a charge with them, or the trace of one whose evidence is
        forgotten."""
        calls = [one.observation for one in edge]
        traces = self._repeated("trace_id", [packed_id(call.trace_id) for call in calls])
        responses = self._repeated("response_id", [call.reading.response_id for call in calls])
        passing, lasting = set[int](), set[int]()
        for call in calls if traces or responses else ():
            if packed_id(call.trace_id) in traces:
                passing.update(_digests(places_sought(call)))
            if call.reading.response_id in responses:
                lasting.update(_digests(response_keys(call)[1]))
        numbers = self._numbers("SELECT n FROM evidence WHERE key", passing)
        numbers |= self._numbers("SELECT n FROM response_evidence WHERE key", lasting)
        ids = self._repeated("id", [packed_id(call.id) for call in calls])
        numbers |= self._numbers(f"SELECT n FROM observation WHERE {IS_SETTLED} AND id", ids)
        charges = {packed_id(one.charge_id) for one in edge if one.charge_id is not None}
        numbers |= self._numbers("SELECT n FROM observation WHERE charge_id", charges)
        return numbers | self._by_trace(edge)

    def _twins(
        self, edge: Sequence[Stored], found: Mapping[int, Stored], linked: set[int]
    ) -> list[Stored]:
        """Rows of another scope than one of these that has a key of theirs."""
        scopes: dict[int, set[str]] = {}
        for one in edge:
            for key in self._keys(one).twins:
                scopes.setdefault(key, set()).add(one.observation.reporter)
        numbers = self._numbers("SELECT n FROM evidence WHERE key", scopes.keys())
        return [
            one
            for one in self._stored(numbers - found.keys() - linked)
            if any(
                scopes.get(key, set()) - {one.observation.reporter} for key in self._keys(one).twins
            )
        ]

    def _keys(self, stored: Stored) -> _Keys:
        """The keys of a row, kept for the component at hand."""
        known = self._known.get(stored.n)
        if known is None:
            known = self._known[stored.n] = _keys_of(stored.observation)
        return known

    def _repeated(self, column: str, values: Iterable[object]) -> set[object]:
        """Those of these values that more than one row has: where a row stands, and the response that it names, it has
        in common with rows of the same trace and of the same response id alone."""
        found: set[object] = set()
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

    def _by_trace(self, edge: Sequence[Stored]) -> set[int]:
        """What is settled of a trace, at most COMPONENT_MAX rows, where some of its evidence is forgotten: a row is
        that old and settled, or because a span that ended just now began before that."""
        forgotten = self._forgotten()
        if forgotten is None:
            return set()
        last_n, before_us = forgotten
        traces = {
            one.observation.trace_id
            for one in edge
            if (one.n <= last_n and (one.charge_id or one.ignored))
            or one.observation.start_us <= before_us < one.observation.end_us
        }
        numbers: set[int] = set()
        for trace_id in traces:
            rows = self._db.execute(
                f"SELECT n FROM observation WHERE {IS_SETTLED} AND trace_id = ? LIMIT ?",
                (packed_id(trace_id), COMPONENT_MAX),
            )
            numbers.update(n for (n,) in rows)
        return numbers

    def prune(
        self, evidence_before_us: int, responses_before_us: int, part: int | None = None
    ) -> int:
        """Forget evidence of observations ingested before, inside the caller's transaction. Observations and entries
        stay.

        Args:
            evidence_before_us: evidence of overlap, unix microseconds.
            responses_before_us: response ids.
            part: which of PARTS of the response ids are looked at, of which there are so many more; None for all.

        Returns:
            The number of keys forgotten.
        """
        lasting = self._last_before(responses_before_us)
        low = 0 if part is None else _KEYS // PARTS * (part % PARTS)
        high = _KEYS if part is None else low + _KEYS // PARTS
        keys = self._db.execute(
            "DELETE FROM response_evidence WHERE key BETWEEN ? AND ? AND n <= ?",
            (low, high - 1, lasting),
        ).rowcount
        last = self._last_before(evidence_before_us)
        keys += self._db.execute("DELETE FROM evidence WHERE n <= ?", (last,)).rowcount
        mark = f"{last} {evidence_before_us if last else 0}"
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('forgotten', ?)", (mark,))
        return keys

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
        forgotten = self._forgotten()
        return 0 if forgotten is None else forgotten[1]

    def _forgotten(self) -> tuple[int, int] | None:
        found = self._db.execute("SELECT value FROM meta WHERE key = 'forgotten'").fetchone()
        if found is None:
            return None
        last_n, before_us = map(int, found[0].split())
        return last_n, before_us


def _keys_of(one: Observation) -> _Keys:
    places = place_keys(one)
    passing = _digests([*places, *twin_keys(one)])
    return _Keys(passing, _digests(response_keys(one)[0]), passing[len(places) :])


def _digests(keys: Collection[Key]) -> list[int]:
    """63 bits of each key; a collision only makes settle look at two observations that have nothing in common."""
    found = b"".join([blake2b(repr(key).encode(), digest_size=8).digest() for key in keys])
    return [digest >> 1 for digest in unpack(f">{len(keys)}Q", found)]


def _page_order(row: tuple[int, int]) -> int:
    """The upper half of a row's key: enough to go from page to page, and small enough to be compared at once."""
    return row[0] >> 33
