"""The table of observations: what the journals said, and what settlement made of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.packed_id import packed_id, prefix_range, shown_id
from otel_genai_cost.ledger.storage.observation_rows import (
    OBSERVATION,
    ObservationRows,
    PackedRow,
    says_which,
)
from otel_genai_cost.ledger.storage.rows import DAMAGE, IS_SETTLED, Stored, batches, marks, read_row
from otel_genai_cost.ledger.storage.texts import Texts
from otel_genai_cost.usage.read import Reading

__all__ = ["INSERT", "Assigned", "Observations", "failed_asking"]

_FOUND_MAX: Final = 1_000
"""Rows that one question of a person is answered with."""

_SELECT: Final = f"SELECT n, ingested_us, charge_id, rule, ignored, {OBSERVATION} FROM observation"

INSERT: Final = (
    f"INSERT OR IGNORE INTO observation ({', '.join(PackedRow._fields)}, ripe_us, ingested_us, settled)"
    f" VALUES ({marks(PackedRow._fields)},?,?,0)"
)
"""Keeps an observation, unless its very content is there already."""

_IGNORED: Final = 4
"""Its place among the columns of `_SELECT`."""

Assigned = tuple["str | None", "int | None", "str | None", int]
"""What became of an observation: charge id, rule, why it counts for none, row."""


class Observations:
    """The table in an open ledger. Every method that reads rows raises LedgerError if one is damaged.

    Args:
        db: its connection.
        path: the ledger's file, for messages.
        texts: its dictionary.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, texts: Texts) -> None:
        self._db, self._path = db, path
        self._rows = ObservationRows(texts)

    def forget(self) -> None:
        """After a transaction that failed."""
        self._rows.forget()

    def ingest(self, records: Sequence[dict[str, Any]], now_us: int, ripe_after_us: int) -> int:
        """Keep observations; identical copies are ignored, and so is what does not even say which span it is about.

        Args:
            records: as the journal has them.
            now_us: the time of ingestion, unix microseconds.
            ripe_after_us: how long after its end, or its ingestion if that was earlier, an observation is settled.

        Returns:
            The number of new observations.
        """
        for record in records:
            record.pop("seq", None)
        packed = map(self._rows.row, filter(says_which, records))
        rows = [(*row, min(row.end_us, now_us) + ripe_after_us, now_us) for row in packed]
        before = self._db.total_changes
        self._db.executemany(INSERT, rows)
        return self._db.total_changes - before

    def add(self, record: Mapping[str, Any], now_us: int, ripe_us: int) -> None:
        """Keep an observation that no journal has.

        Args:
            record: as a journal would have it.
            now_us: the time of ingestion, unix microseconds.
            ripe_us: when it is to be settled.
        """
        self._db.execute(INSERT, (*self._rows.row(record), ripe_us, now_us))

    def waiting(self, ripe_us: int, limit: int) -> list[Stored]:
        """At most `limit` observations that are not settled and ripe by `ripe_us`, in the order they came. What cannot
        be read is noted as `malformed` and stays out."""
        readable: list[Stored] = []
        while not readable and (rows := self._waiting_rows(ripe_us, limit)):
            found = [(row[0], self._stored_if_valid(row)) for row in rows]
            self.assign((None, None, "malformed", n) for n, one in found if one is None)
            readable = [one for _, one in found if one is not None]
        return readable

    def _waiting_rows(self, ripe_us: int, limit: int) -> list[tuple[Any, ...]]:
        return self._db.execute(
            f"{_SELECT} WHERE n IN (SELECT n FROM observation INDEXED BY observation_waiting"
            " WHERE settled = 0 AND ripe_us <= ? ORDER BY n LIMIT ?) ORDER BY n",
            (ripe_us, limit),
        ).fetchall()

    def ripe_since(self) -> int | None:
        """When the oldest of those that are not settled was, or will be, ripe (unix microseconds); None without any."""
        row = self._db.execute(
            "SELECT min(ripe_us) FROM observation INDEXED BY observation_waiting WHERE settled = 0"
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def unsettled(self) -> tuple[int, int | None]:
        """How many are not settled, and when the oldest of their calls ended (unix microseconds); None without any."""
        row = self._db.execute(
            "SELECT count(*), min(end_us) FROM observation INDEXED BY observation_waiting"
            " WHERE settled = 0"
        ).fetchone()
        return int(row[0]), row[1]

    def assign(self, rows: Iterable[Assigned]) -> None:
        """Note what became of observations."""
        self._db.executemany(
            "UPDATE observation SET settled = 1, ripe_us = 0, charge_id = ?, rule = ?, ignored = ? WHERE n = ?",
            (
                (None if charge_id is None else packed_id(charge_id), rule, ignored, n)
                for charge_id, rule, ignored, n in rows
            ),
        )

    def settle_again(self, observation_id: str, ripe_us: int) -> None:
        """Have an observation settled once more."""
        self._db.execute(
            "UPDATE observation SET settled = 0, ripe_us = ? WHERE id = ?",
            (ripe_us, packed_id(observation_id)),
        )

    def unlink(self, observation_id: str, at_us: int) -> bool:
        """Note that an observation stands alone; whether that is new."""
        done = self._db.execute(
            "INSERT OR IGNORE INTO unlinked VALUES (?,?)", (observation_id, at_us)
        )
        return done.rowcount > 0

    def unlinked(self) -> frozenset[str]:
        """Observations that a person said stand alone."""
        return frozenset(row[0] for row in self._db.execute("SELECT observation_id FROM unlinked"))

    def members_of(self, charge_id: str) -> list[Stored]:
        """The observations settled into a charge."""
        return self._where("charge_id = ? ORDER BY n", (packed_id(charge_id),))

    def by_charge(self, charge_ids: Sequence[str]) -> dict[str, list[Observation]]:
        """The observations settled into each of these charges."""
        found: dict[str, list[Observation]] = {}
        for part in batches(list(map(packed_id, charge_ids))):
            for one in self._where(f"charge_id IN ({marks(part)}) ORDER BY n", part):
                found.setdefault(str(one.charge_id), []).append(one.observation)
        return found

    def response_ids(self, charge_ids: Sequence[str]) -> dict[str, str]:
        """The provider's response id of each of these charges that has one: its founding member's, whose span ended
        first and is the client's own, else the first that another names."""
        found: dict[str, str] = {}
        for part in batches(list(map(packed_id, charge_ids))):
            rows = self._db.execute(
                "SELECT charge_id, response_id FROM observation"
                f" WHERE charge_id IN ({marks(part)}) AND response_id > '' ORDER BY id <> charge_id, n",
                part,
            )
            for charge_id, response_id in rows:
                found.setdefault(shown_id(charge_id), response_id)
        return found

    def settled_since(self, ingested_us: int) -> Iterator[Stored]:
        """The observations of charges that were ingested since then, in the order they came."""
        rows = self._db.execute(
            f"{_SELECT} WHERE charge_id IS NOT NULL AND ingested_us >= ? ORDER BY n", (ingested_us,)
        )
        return map(self._stored, rows)

    def find(self, prefix: str) -> list[Stored]:
        """Observations by the beginning of an observation, charge, span or trace id (hex, at least 8 digits), without
        what was refused because it cannot be read."""
        return self._readable(
            "id BETWEEN ?1 AND ?2 OR charge_id BETWEEN ?1 AND ?2 OR span_id BETWEEN ?1 AND ?2"
            f" OR trace_id BETWEEN ?1 AND ?2 ORDER BY n LIMIT {_FOUND_MAX}",
            prefix_range(prefix),
        )

    def settled_copies(self, observation_id: str) -> list[Stored]:
        """What is settled of an observation, in the order it came."""
        return self._where(f"{IS_SETTLED} AND id = ? ORDER BY n", (packed_id(observation_id),))

    def of_response(self, response_id: str) -> list[Stored]:
        """Observations that name this response of a provider, in the order they came, without what was refused because
        it cannot be read."""
        whole = response_id.encode("utf-8", "replace").decode("utf-8")
        return self._readable(f"response_id = ? ORDER BY n LIMIT {_FOUND_MAX}", (whole,))

    def joined(self) -> Iterator[str]:
        """Charges that several observations were settled into. It looks into every row."""
        rows = self._db.execute(
            "SELECT shown_id(charge_id) FROM observation WHERE charge_id IS NOT NULL"
            " GROUP BY charge_id HAVING count(DISTINCT id) > 1"
        )
        return (row[0] for row in rows)

    def count_between(self, from_us: int, to_us: int) -> tuple[int, int]:
        """Observations of calls that ended in that time (to_us excluded), and how many of them are settled."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(settled), 0) FROM observation"
            " WHERE end_us BETWEEN ? AND ?",
            (from_us, to_us - 1),
        ).fetchone()
        return row[0], row[1]

    def ended_by(
        self, since: int, until: int, rows: int, length_us: int
    ) -> list[tuple[int, int, int]]:
        """How many calls ended when, by so many rows each and stretches of time since the epoch.

        Args:
            since: only of rows after this one.
            until: the last row.
            rows: how many rows are counted together.
            length_us: how long a stretch is.
        """
        return self._db.execute(
            "SELECT n / ?, end_us / ?, count(*) FROM observation"
            " WHERE n > ? AND n <= ? AND end_us >= 0 GROUP BY 1, 2",
            (rows, length_us, since, until),
        ).fetchall()

    def ended_among(self, first: int, last: int, from_us: int, to_us: int) -> int:
        """How many calls ended in a time (to_us excluded), of the observations of some rows.

        Args:
            first: the first row.
            last: the last row.
            from_us: when the time begins.
            to_us: when it is over.
        """
        row = self._db.execute(
            "SELECT count(*) FROM observation WHERE n BETWEEN ? AND ? AND end_us BETWEEN ? AND ?",
            (first, last, from_us, to_us - 1),
        ).fetchone()
        return int(row[0])

    def unsettled_between(self, from_us: int, to_us: int) -> int:
        """How many observations of calls that ended in a time (to_us excluded) are not settled.

        Args:
            from_us: when it begins.
            to_us: when it is over.
        """
        row = self._db.execute(
            "SELECT count(*) FROM observation INDEXED BY observation_waiting"
            " WHERE settled = 0 AND end_us BETWEEN ? AND ?",
            (from_us, to_us - 1),
        ).fetchone()
        return int(row[0])

    def failed(self) -> Iterator[tuple[str, str]]:
        """Charges of calls that came to an error, and for which model they asked. It looks into every row, in the order
        of the file: in that of an index it takes six times as long."""
        rows = self._db.execute(
            f"{_SELECT} NOT INDEXED WHERE charge_id IS NOT NULL AND words IN"
            " (SELECT n FROM text WHERE instr(body, CAST('\"error\":' AS BLOB)))"
        )
        for stored in map(self._stored, rows):
            asked = failed_asking(stored.observation.reading)
            if asked is not None:
                yield str(stored.charge_id), asked

    def troubled(self, since: int = 0, until: int | None = None) -> Iterator[tuple[str, Reading]]:
        """Charges of calls that came to an error, took more than one request, or fell back to another model, with what
        was read of each, in the order they came. It looks into every row.

        Args:
            since: only of rows after this one.
            until: the last row that is looked into; None for the last there is.
        """
        rows = self._db.execute(
            f"{_SELECT} NOT INDEXED WHERE n > ? AND n <= ? AND charge_id IS NOT NULL AND (words IN"
            " (SELECT n FROM text WHERE instr(body, CAST('\"error\":' AS BLOB)))"
            " OR instr(body, CAST('\"attempts\":' AS BLOB)) OR instr(body, CAST('\"model_asked\":' AS BLOB)))",
            (since, self.last_row() if until is None else until),
        )
        for stored in map(self._stored, rows):
            yield str(stored.charge_id), stored.observation.reading

    def last_row(self) -> int:
        """The number of the newest row; 0 if there is none."""
        return int(self._db.execute("SELECT coalesce(max(n), 0) FROM observation").fetchone()[0])

    def _where(self, condition: str, values: Sequence[object]) -> list[Stored]:
        return [
            self._stored(row) for row in self._db.execute(f"{_SELECT} WHERE {condition}", values)
        ]

    def _readable(self, condition: str, values: Sequence[object]) -> list[Stored]:
        rows = self._db.execute(f"{_SELECT} WHERE {condition}", values)
        found = ((row, row[_IGNORED] == "malformed") for row in rows)
        every = (
            self._stored_or_none(row) if refused else self._stored(row) for row, refused in found
        )
        return [one for one in every if one is not None]

    def numbered(self, numbers: Iterable[int]) -> list[Stored]:
        """The rows of these numbers."""
        return [
            one
            for part in batches(list(numbers))
            for one in self._where(f"n IN ({marks(part)})", part)
        ]

    def of_ids(self, ids: Sequence[str]) -> Iterator[tuple[str, str | None, bool, Any]]:
        """What is known of these observations, in the order they came: id, charge, whether it is settled, and what its
        record says that it cost."""
        for part in batches(list(map(packed_id, ids))):
            rows = self._db.execute(
                f"SELECT n, settled, charge_id, {OBSERVATION} FROM observation WHERE id IN ({marks(part)}) ORDER BY n",
                part,
            ).fetchall()
            for n, settled, charge_id, *row in rows:
                record = self._record(n, row)
                charge = None if charge_id is None else shown_id(charge_id)
                yield record["id"], charge, bool(settled), record.get("cost")

    def _record(self, n: int, row: Sequence[Any]) -> dict[str, Any]:
        return read_row(self._path, "observation", n, lambda: self._rows.record(row))

    def _stored(self, row: tuple[Any, ...]) -> Stored:
        return read_row(self._path, "observation", row[0], lambda: self._decoded(row))

    def _decoded(self, row: tuple[Any, ...]) -> Stored:
        return _as_stored(row, self._rows.observation(row[5:]))

    def _stored_if_valid(self, row: tuple[Any, ...]) -> Stored | None:
        """An observation that was never looked into; None if it cannot be settled."""
        try:
            one = self._rows.valid(row[5:])
            return None if one is None else _as_stored(row, one)
        except DAMAGE:
            return None

    def _stored_or_none(self, row: tuple[Any, ...]) -> Stored | None:
        """One that was refused; None if it cannot be read."""
        try:
            return self._decoded(row)
        except DAMAGE:
            return None


def failed_asking(reading: Reading) -> str | None:
    """For which model a call asked that came to an error; None of one that came to none, or named no model.

    Args:
        reading: of the call.
    """
    if reading.error is None:
        return None
    return reading.model_requested or reading.model_returned


def _as_stored(row: tuple[Any, ...], one: Observation) -> Stored:
    n, ingested_us, charge_id, rule, ignored = row[:5]
    return Stored(
        n, one, ingested_us, None if charge_id is None else shown_id(charge_id), rule, ignored
    )
