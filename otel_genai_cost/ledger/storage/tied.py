"""Observations of one charge, or one trace, that would come to several workers if a stream were cut by another key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.packed_id import packed_id
from otel_genai_cost.ledger.storage.observations import Observations
from otel_genai_cost.ledger.storage.rows import IS_SETTLED, Stored
from otel_genai_cost.ledger.storage.texts import Texts

__all__ = ["Tied"]

_JOINED: Final = "(rule IS NOT NULL OR ignored IN ('sum', 'aggregate', 'cumulative'))"
"""What is no charge of its own because of another observation, in a statement."""

_BY_TRACE: Final = (
    "SELECT min(n) FROM observation WHERE charge_id IS NOT NULL"
    " GROUP BY charge_id HAVING min(trace_id) <> max(trace_id)"
)
_BY_CELL: Final = (
    "SELECT min(n) FROM observation WHERE charge_id IS NOT NULL"
    " GROUP BY charge_id HAVING min(cell_of(words)) <> max(cell_of(words))"
    f" UNION SELECT min(n) FROM observation WHERE {IS_SETTLED}"
    " GROUP BY trace_id HAVING min(cell_of(words)) <> max(cell_of(words))"
)


class Tied:
    """Asks an open ledger. Every method that reads rows raises LedgerError if one is damaged.

    Args:
        db: its connection.
        texts: its dictionary.
        observations: its table.
    """

    def __init__(self, db: sqlite3.Connection, texts: Texts, observations: Observations) -> None:
        self._db, self._texts, self._observations = db, texts, observations

    def joins(self) -> int:
        """How many observations are no charge of their own because of others. It looks into every row."""
        return int(
            self._db.execute(f"SELECT count(*) FROM observation WHERE {_JOINED}").fetchone()[0]
        )

    def across(self, key: Literal["cell", "trace"]) -> Iterator[list[Observation]]:
        """What was settled together, and is of several cells, or of several traces or cells: charges and traces, with
        whatever shares one with them, each group once.

        Args:
            key: by which a stream would be cut.
        """
        every = self._db.execute("SELECT DISTINCT words FROM observation").fetchall()
        cells = {n: self._cell(n) for (n,) in every}
        self._db.create_function("cell_of", 1, cells.get, deterministic=True)
        selects = [_BY_CELL] if len(set(cells.values())) > 1 else []
        return self._groups([*selects, _BY_TRACE] if key == "trace" else selects)

    def _cell(self, words: int) -> str:
        return str(self._texts.value(words).get("cell") or "") if words else ""

    def _groups(self, selects: Iterable[str]) -> Iterator[list[Observation]]:
        """Each group with everything that shares a charge or a trace with it, and so on."""
        seen: set[int] = set()
        for (n,) in [row for select in selects for row in self._db.execute(select).fetchall()]:
            if n not in seen:
                group = self._group(n)
                seen.update(group)
                yield [group[one].observation for one in sorted(group)]

    def _group(self, n: int) -> dict[int, Stored]:
        edge = self._observations.numbered([n])
        found = {one.n: one for one in edge}
        known: set[tuple[str, str]] = set()
        while edge:
            places = {("trace_id", one.observation.trace_id) for one in edge}
            places |= {("charge_id", one.charge_id) for one in edge if one.charge_id is not None}
            numbers = {n for place in places - known for n in self._at(*place)}
            known |= places
            edge = self._observations.numbered(numbers - found.keys())
            found.update((one.n, one) for one in edge)
        return found

    def _at(self, column: str, one: str) -> Iterator[int]:
        rows = self._db.execute(
            f"SELECT n FROM observation WHERE {IS_SETTLED} AND {column} = ?", (packed_id(one),)
        )
        return (n for (n,) in rows)
