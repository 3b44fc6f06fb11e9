"""The ledger's file: SQLite, one writer, readers that never wait."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeVar

from otel_genai_cost.errors import ConfigurationError, JournalError, LedgerError
from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.journal.observation import from_record
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.ledger.entry import Entry, entry_of, entry_record
from otel_genai_cost.ledger.storage.candidates import Neighbours, Stored, parts
from otel_genai_cost.ledger.storage.cursors import Cursors
from otel_genai_cost.ledger.storage.keeping import remedy
from otel_genai_cost.ledger.storage.lookup import Lookup
from otel_genai_cost.ledger.storage.opening import checked_id, connect
from otel_genai_cost.ledger.storage.started import StartedCalls
from otel_genai_cost.ledger.storage.validate import is_sound
from otel_genai_cost.pricing.watch import replace_file

__all__ = ["Ledger", "Stored"]

_CONTRACTS: Final = "contracts"
_DAMAGE: Final = (
    JournalError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    ArithmeticError,
)
"""What reading a row may come to that is not what this library wrote."""

_T = TypeVar("_T")
_INTEGER_LIMIT: Final = 1 << 62
"""What SQLite can hold, with room for adding to it."""


_STORED: Final = "SELECT n, body, ingested_us, charge_id, rule, ignored FROM observation"


class Ledger:
    """An open ledger. Raises LedgerError if the file is no ledger or cannot be opened, FormatTooNewError if a newer
    version wrote it."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        try:
            self._db = connect(path, readonly)
            found = dict(self._db.execute("SELECT key, value FROM meta"))
        except sqlite3.Error as error:
            raise LedgerError(
                f"cannot open the ledger {path}: {error}; {remedy(path.parent, error)}"
            ) from None
        self.id = self.read_row("meta", "id", lambda: checked_id(path, found))
        self.cursors, self.started = Cursors(self._db), StartedCalls(self._db)
        self._neighbours = Neighbours(self._db, self._stored)
        self.lookup = Lookup(self._db, self._stored)
        self.contracts_digest = found.get(_CONTRACTS)

    def read_row(self, table: str, row: object, make: Callable[[], _T]) -> _T:
        """What a row says. Raises LedgerError if it is damaged: no sum may lack it."""
        try:
            return make()
        except _DAMAGE as error:
            raise LedgerError(
                f"row {row} of the table {table} of {self.path} is damaged ({type(error).__name__}: {error}); "
                f"{remedy(self.path.parent, error)}"
            ) from None

    @property
    def cuts(self) -> int:
        """How often so many equal calls were about that not all were settled together."""
        return self._neighbours.cuts

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All of it or none of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def damage(self) -> str | None:
        """What SQLite finds wrong with the file, or an entry that cannot be read; None if all is well."""
        (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            return str(found)
        try:
            for _ in self.entries():
                pass
        except LedgerError as error:
            return str(error)
        return None

    def noted(self, key: str) -> str | None:
        """What `note` wrote under that key."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, key: str, value: str) -> None:
        """Remember a word about the whole ledger."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    @cached_property
    def contracts(self) -> Contracts:
        """What it bills by: the contracts that it, or a ledger in its place, had last. Raises LedgerError if they are
        lost."""
        path = self.path.parent / f"{_CONTRACTS}.json"
        try:
            return load_contracts(path)
        except ConfigurationError as error:
            if self.contracts_digest is None and not path.exists():
                return LIST_PRICES
            raise LedgerError(
                f"the contracts that this ledger bills by cannot be read: {error}; set OTEL_GENAI_COST_CONTRACTS or "
                "pass --contracts FILE, a file without any to bill list prices"
            ) from None

    def bill_by(self, contracts: Contracts) -> None:
        """Bill by these contracts from now on. They are kept beside the ledger, since applications can read a journal;
        each version by its digest as well."""
        digest = str(contracts.digest)
        store_book(self.path.parent, digest, contracts.document)
        replace_file(self.path.parent / f"{_CONTRACTS}.json", contracts.document)
        self.note(_CONTRACTS, digest)
        self.contracts_digest, self.contracts = digest, contracts

    # --- journal ---

    def ingest(
        self,
        records: Iterable[dict[str, Any]],
        now_us: int,
        ripe_after_us: int,
        process: str = "",
    ) -> int:
        """Keep observations, and the starts of calls that `process` wrote; identical copies, and what is neither, are
        ignored. The number of new observations."""
        observed, others = list[dict[str, Any]](), list[dict[str, Any]]()
        for record in records:
            (others if "type" in record else observed).append(record)
        if others:
            self._ingest_others(others, process, now_us)
        before = self._db.total_changes
        rows = [row for record in observed if (row := _row(record, now_us, ripe_after_us))]
        self._db.executemany(
            "INSERT OR IGNORE INTO observation (id, digest, trace_id, span_id, ripe_us, ingested_us, settled, body)"
            " VALUES (?,?,?,?,?,?,0,?)",
            rows,
        )
        return self._db.total_changes - before

    def _ingest_others(self, records: list[dict[str, Any]], process: str, now_us: int) -> None:
        """Records of another type; one that a newer version added says nothing here."""
        starts = [record for record in records if record["type"] == "start"]
        self.started.note(starts, process, now_us)
        for record in records:
            one = record.get("observation_id")
            if record["type"] == "unlink" and isinstance(one, str) and self.unlink(one, now_us):
                self._db.execute(
                    "UPDATE observation SET settled = 0, ripe_us = ? WHERE id = ?", (now_us, one)
                )

    # --- settlement ---

    def waiting(self, ripe_us: int, limit: int) -> list[Stored]:
        """Observations that are not settled and ripe by `ripe_us`, in the order they came; what cannot be read is noted
        as `malformed` and stays out."""
        rows = self._db.execute(
            f"{_STORED} WHERE settled = 0 AND ripe_us <= ? ORDER BY n LIMIT ?", (ripe_us, limit)
        )
        found = [(row[0], _readable(row)) for row in rows]
        self.assign((None, None, "malformed", n) for n, one in found if one is None)
        return [one for _, one in found if one is not None]

    def component(self, start: Sequence[Stored]) -> dict[int, Stored]:
        """`start` and everything that might be the same response; see `Neighbours.component`."""
        return self._neighbours.component(start)

    def _stored(self, numbers: Iterable[int]) -> list[Stored]:
        found: list[Stored] = []
        for part in parts(list(numbers)):
            marks = ",".join("?" * len(part))
            found += [
                self._stored_of(row)
                for row in self._db.execute(f"{_STORED} WHERE n IN ({marks})", part)
            ]
        return found

    def _stored_of(self, row: tuple[Any, ...]) -> Stored:
        return self.read_row("observation", row[0], lambda: _stored(row))

    def assign(self, rows: Iterable[tuple[str | None, int | None, str | None, int]]) -> None:
        """Note what became of observations: (charge id, rule, why it counts for none, row)."""
        self._db.executemany(
            "UPDATE observation SET settled = 1, charge_id = ?, rule = ?, ignored = ? WHERE n = ?",
            rows,
        )

    def prune(self, evidence_before_us: int, responses_before_us: int) -> int:
        """Forget evidence of observations ingested before; the number of keys forgotten."""
        return self._neighbours.prune(evidence_before_us, responses_before_us)

    def unlink(self, observation_id: str, at_us: int) -> bool:
        """Note that an observation stands alone; whether that is new."""
        done = self._db.execute(
            "INSERT OR IGNORE INTO unlinked VALUES (?,?)", (observation_id, at_us)
        )
        return done.rowcount > 0

    def unlinked(self) -> frozenset[str]:
        """Observations that a person said stand alone."""
        return frozenset(row[0] for row in self._db.execute("SELECT observation_id FROM unlinked"))

    # --- entries ---

    def append(self, entries: Sequence[Entry]) -> list[Entry]:
        """Book entries, giving each its seq."""
        last = self.append_records([entry_record(entry) for entry in entries])
        return [entry._replace(seq=last + at) for at, entry in enumerate(entries, start=1)]

    def append_records(self, records: Sequence[dict[str, Any]]) -> int:
        """Book the records of entries, giving each its seq; the seq before the first."""
        last = self.last_seq()
        for seq, record in enumerate(records, start=last + 1):
            record["seq"] = seq
        self._db.executemany(
            "INSERT INTO entry VALUES (?,?,?,?)",
            [(r["seq"], r["id"], r["charge_id"], encode(r).decode()) for r in records],
        )
        return last

    def last_seq(self) -> int:
        """The seq of the newest entry; 0 if there is none."""
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0])

    def entries(self, since: int = 0, limit: int = -1) -> Iterator[Entry]:
        """Entries after `since`, in order."""
        rows = self._db.execute(
            "SELECT seq, body FROM entry WHERE seq > ? ORDER BY seq LIMIT ?", (since, limit)
        )
        return (self._entry(seq, body) for seq, body in rows)

    def _entry(self, seq: int, body: str) -> Entry:
        return self.read_row("entry", seq, lambda: entry_of(json.loads(body)))

    def entry_records(self) -> Iterator[dict[str, Any]]:
        """Every entry, in order, as stored."""
        rows = self._db.execute("SELECT seq, body FROM entry ORDER BY seq")
        return (entry_record(self._entry(seq, body)) for seq, body in rows)

    def observed_between(self, from_us: int, to_us: int) -> tuple[int, int]:
        """Observations of calls that ended in that time, and how many of them are settled."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(settled), 0) FROM observation"
            " WHERE json_extract(CAST(body AS TEXT), '$.end_us') BETWEEN ? AND ?",
            (from_us, to_us - 1),
        ).fetchone()
        return row[0], row[1]

    def entries_of(self, charge_id: str) -> list[Entry]:
        """One charge's entries, in order."""
        rows = self._db.execute(
            "SELECT seq, body FROM entry WHERE charge_id = ? ORDER BY seq", (charge_id,)
        )
        return [self._entry(seq, body) for seq, body in rows]

    def records_by_charge(
        self, charge_ids: Sequence[str]
    ) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[dict[str, Any]]]]:
        """The entries of each of these charges, in order, and the observations settled into it: as stored."""
        return (
            self._by_charge("entry", "seq", charge_ids),
            self._by_charge("observation", "n", charge_ids),
        )

    def _by_charge(
        self, table: str, order: str, charge_ids: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for part in parts(list(charge_ids)):
            marks = ",".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT charge_id, body FROM {table} WHERE charge_id IN ({marks})"
                f" ORDER BY charge_id, {order}",
                part,
            )
            for charge_id, body in rows:
                record = self.read_row(table, charge_id, lambda body=body: _named(decode(body)))  # type: ignore[misc]
                found.setdefault(charge_id, []).append(record)
        return found

    def unpriced_ids(self, since: int) -> Iterator[str]:
        """Charges with an entry after `since` that counts as unpriced; whether they still are, their net tells."""
        rows = self._db.execute(
            "SELECT charge_id FROM entry WHERE seq > ? AND instr(body, '\"unpriced\":1,')"
            " GROUP BY charge_id ORDER BY min(seq)",
            (since,),
        )
        return (row[0] for row in rows)

    def booked(self, charge_ids: Iterable[str]) -> frozenset[str]:
        """Which of these charges have entries."""
        found: set[str] = set()
        for part in parts(list(charge_ids)):
            marks = ",".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT DISTINCT charge_id FROM entry WHERE charge_id IN ({marks})", part
            )
            found.update(row[0] for row in rows)
        return frozenset(found)

    def members_of(self, charge_id: str) -> list[Stored]:
        """The observations settled into a charge."""
        rows = self._db.execute(f"{_STORED} WHERE charge_id = ? ORDER BY n", (charge_id,))
        return [self._stored_of(row) for row in rows]

    def settled_since(self, ingested_us: int) -> Iterator[Stored]:
        """The observations of charges that were ingested since then, in the order they came."""
        rows = self._db.execute(
            f"{_STORED} WHERE charge_id IS NOT NULL AND ingested_us >= ? ORDER BY n", (ingested_us,)
        )
        return (self._stored_of(row) for row in rows)

    def charge_ids(self) -> Iterator[str]:
        """Every charge ever booked, in the order of its first entry."""
        rows = self._db.execute("SELECT charge_id FROM entry GROUP BY charge_id ORDER BY min(seq)")
        return (row[0] for row in rows)

    def rerated_book(self, charge_id: str) -> str | None:
        """The book a charge was last re-rated with: later verdicts on it are rated with the same one."""
        rerated = [entry.book for entry in self.entries_of(charge_id) if entry.cause == "rerated"]
        return rerated[-1] if rerated else None

    def find(self, prefix: str) -> list[Stored]:
        """Observations by the beginning of an observation, charge, span or trace id (hex, at least 8 digits)."""
        low, high = prefix.lower(), prefix.lower() + "g"
        rows = self._db.execute(
            f"{_STORED} WHERE id BETWEEN ?1 AND ?2 OR charge_id BETWEEN ?1 AND ?2"
            " OR span_id BETWEEN ?1 AND ?2 OR trace_id BETWEEN ?1 AND ?2 ORDER BY n LIMIT 1000",
            (low, high),
        )
        return [self._stored_of(row) for row in rows]


def _named(record: dict[str, Any]) -> dict[str, Any]:
    """A record that at least says what it is."""
    return {"id": record["id"], **record}


def _row(record: dict[str, Any], now_us: int, ripe_after_us: int) -> tuple[Any, ...] | None:
    """The row of a journal record; None if it does not even say what it is."""
    record.pop("seq", None)
    one, end_us = record.get("id"), record.get("end_us")
    trace_id, span_id = record.get("trace_id"), record.get("span_id")
    if type(end_us) is not int or not 0 <= end_us < _INTEGER_LIMIT:
        return None
    if not all(isinstance(text, str) for text in (one, trace_id, span_id)):
        return None
    body = encode(record)
    ripe_us = min(end_us, now_us) + ripe_after_us
    return (one, blake2b(body, digest_size=16).digest(), trace_id, span_id, ripe_us, now_us, body)


def _stored(row: tuple[Any, ...]) -> Stored:
    n, body, ingested_us, charge_id, rule, ignored = row
    return Stored(n, from_record(decode(body)), ingested_us, charge_id, rule, ignored)


def _readable(row: tuple[Any, ...]) -> Stored | None:
    """An observation that was never looked into; None if it cannot be read."""
    try:
        stored = _stored(row)
        return stored if is_sound(stored.observation) else None
    except _DAMAGE:
        return None
