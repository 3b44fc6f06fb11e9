"""The ledger's file: SQLite, one writer, readers that never wait."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from uuid import uuid4

from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.journal.observation import Observation, from_record
from otel_genai_cost.ledger.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.contract_file import read_contracts
from otel_genai_cost.ledger.entry import Entry, entry_of, entry_record
from otel_genai_cost.ledger.settle import Key, offered, sought

__all__ = ["Cursor", "Ledger", "Stored"]

FORMAT: Final = 1
_BUSY_MS: Final = 5_000
_CONTRACTS: Final = "contracts"
_VARIABLES_MAX: Final = 900
"""SQLite takes at least 999 variables in a statement."""


class Cursor(NamedTuple):
    """How far a segment is ingested. `gaps` are records that are proved to be missing, once it is finished."""

    path: str
    byte_offset: int = 0
    records: int = 0
    seq_max: int = 0
    sealed: int | None = None
    damaged: int = 0
    finished: bool = False

    @property
    def gaps(self) -> int:
        return max(self.seq_max, self.sealed or 0) - self.records if self.finished else 0


class Stored(NamedTuple):
    """An observation in the ledger: its row, and what became of it."""

    n: int
    observation: Observation
    ingested_us: int
    charge_id: str | None
    rule: int | None
    ignored: str | None


_T = TypeVar("_T")
_STORED: Final = "SELECT n, body, ingested_us, charge_id, rule, ignored FROM observation"


class Ledger:
    """An open ledger. Raises LedgerError if the file is no ledger or cannot be opened, FormatTooNewError if a newer
    version wrote it."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        try:
            self._db = _connect(path, readonly)
            found = dict(self._db.execute("SELECT key, value FROM meta"))
        except sqlite3.Error as error:
            raise LedgerError(
                f"cannot open the ledger {path}: {error}; "
                "if it is damaged, move it away: the next `genai-cost ship` rebuilds it from the journal"
            ) from None
        if int(found["format"]) > FORMAT:
            raise FormatTooNewError(f"ledger {path}", found["format"], FORMAT)
        self.id = found["id"]
        self.contracts_digest = found.get(_CONTRACTS)

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

    def noted(self, key: str) -> str | None:
        """What `note` wrote under that key."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, key: str, value: str) -> None:
        """Remember a word about the whole ledger."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    @cached_property
    def contracts(self) -> Contracts:
        """What it bills by: the contracts it had last. Raises LedgerError if they are lost."""
        digest = self.contracts_digest
        if digest is None:
            return LIST_PRICES
        document = stored_book(self.path.parent, digest)
        if document is None:
            raise LedgerError(
                f"the contracts {digest[:12]} that this ledger bills by are not in {self.path.parent / 'books'}; "
                "set OTEL_GENAI_COST_CONTRACTS or pass --contracts FILE, a file without any to bill list prices"
            )
        return read_contracts(document, f"books/{digest}.json")

    def bill_by(self, contracts: Contracts) -> None:
        """Bill by these contracts from now on. Each version is kept by its digest, beside the ledger: a journal can be
        read by applications."""
        digest = str(contracts.digest)
        store_book(self.path.parent, digest, contracts.document)
        self.note(_CONTRACTS, digest)
        self.contracts_digest, self.contracts = digest, contracts

    # --- journal ---

    def cursor(self, path: str) -> Cursor:
        """How far that segment is ingested."""
        row = self._db.execute("SELECT * FROM segment WHERE path = ?", (path,)).fetchone()
        return Cursor(path) if row is None else _cursor(row)

    def cursors(self) -> list[Cursor]:
        """Every segment that was ever read."""
        rows = self._db.execute("SELECT * FROM segment ORDER BY path")
        return [_cursor(row) for row in rows]

    def advance(self, cursor: Cursor) -> None:
        """Remember how far a segment is ingested."""
        self._db.execute("INSERT OR REPLACE INTO segment VALUES (?,?,?,?,?,?,?)", cursor)

    def ingest(self, records: Iterable[dict[str, Any]], now_us: int, ripe_after_us: int) -> int:
        """Keep observations; identical copies, and what is no observation, are ignored. The number of new ones."""
        before = self._db.total_changes
        rows = [row for record in records if (row := _row(record, now_us, ripe_after_us))]
        self._db.executemany(
            "INSERT OR IGNORE INTO observation (id, digest, trace_id, span_id, ripe_us, ingested_us, settled, body)"
            " VALUES (?,?,?,?,?,?,0,?)",
            rows,
        )
        return self._db.total_changes - before

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
        """`start`, their evidence on file, and everything that might be the same response, transitively."""
        self._offer(start)
        found = {one.n: one for one in start}
        edge = list(start)
        while edge:
            keys = {_digest(key) for one in edge for key in sought(one.observation)}
            edge = [one for one in self._by_keys(keys, found.keys())]
            found.update((one.n, one) for one in edge)
        return found

    def _offer(self, stored: Iterable[Stored]) -> None:
        rows: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
        for one in stored:
            for key in offered(one.observation):
                rows[key[0] == "response"].append((_digest(key), one.n))
        for is_response, pairs in rows.items():
            table = "response_evidence" if is_response else "evidence"
            self._db.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?,?)", pairs)

    def _by_keys(self, keys: Iterable[int], known: Iterable[int]) -> list[Stored]:
        numbers: set[int] = set()
        for part in _parts(list(keys)):
            marks = ",".join("?" * len(part))
            for table in ("evidence", "response_evidence"):
                rows = self._db.execute(f"SELECT n FROM {table} WHERE key IN ({marks})", part)
                numbers.update(n for (n,) in rows)
        numbers.difference_update(known)
        return self._stored(numbers)

    def _stored(self, numbers: Iterable[int]) -> list[Stored]:
        found: list[Stored] = []
        for part in _parts(list(numbers)):
            marks = ",".join("?" * len(part))
            found += [
                _stored(row) for row in self._db.execute(f"{_STORED} WHERE n IN ({marks})", part)
            ]
        return found

    def assign(self, rows: Iterable[tuple[str | None, int | None, str | None, int]]) -> None:
        """Note what became of observations: (charge id, rule, why it counts for none, row)."""
        self._db.executemany(
            "UPDATE observation SET settled = 1, charge_id = ?, rule = ?, ignored = ? WHERE n = ?",
            rows,
        )

    def prune(self, evidence_before_us: int, responses_before_us: int) -> int:
        """Forget evidence of observations ingested before; the number of keys forgotten."""
        before = self._db.total_changes
        for table, before_us in (
            ("evidence", evidence_before_us),
            ("response_evidence", responses_before_us),
        ):
            self._db.execute(
                f"DELETE FROM {table} WHERE n <= "
                "(SELECT coalesce(max(n), 0) FROM observation WHERE ingested_us < ? AND settled = 1)",
                (before_us,),
            )
        return self._db.total_changes - before

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
            "SELECT body FROM entry WHERE seq > ? ORDER BY seq LIMIT ?", (since, limit)
        )
        return (entry_of(json.loads(body)) for (body,) in rows)

    def entries_of(self, charge_id: str) -> list[Entry]:
        """One charge's entries, in order."""
        rows = self._db.execute(
            "SELECT body FROM entry WHERE charge_id = ? ORDER BY seq", (charge_id,)
        )
        return [entry_of(json.loads(body)) for (body,) in rows]

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
        for part in _parts(list(charge_ids)):
            marks = ",".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT charge_id, body FROM {table} WHERE charge_id IN ({marks})"
                f" ORDER BY charge_id, {order}",
                part,
            )
            for charge_id, body in rows:
                found.setdefault(charge_id, []).append(decode(body))
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
        for part in _parts(list(charge_ids)):
            marks = ",".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT DISTINCT charge_id FROM entry WHERE charge_id IN ({marks})", part
            )
            found.update(row[0] for row in rows)
        return frozenset(found)

    def members_of(self, charge_id: str) -> list[Stored]:
        """The observations settled into a charge."""
        rows = self._db.execute(f"{_STORED} WHERE charge_id = ? ORDER BY n", (charge_id,))
        return [_stored(row) for row in rows]

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
        return [_stored(row) for row in rows]


def _connect(path: Path, readonly: bool) -> sqlite3.Connection:
    if readonly:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        return db
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        f"PRAGMA busy_timeout = {_BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA cache_size = -65536;"
    )
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
        identity = f"INSERT INTO meta VALUES ('id', '{uuid4().hex}'), ('format', '{FORMAT}');"
        db.executescript(f"BEGIN; {schema} {identity} COMMIT;")
    return db


def _row(record: dict[str, Any], now_us: int, ripe_after_us: int) -> tuple[Any, ...] | None:
    """The row of a journal record; None if it does not even say what it is."""
    record.pop("seq", None)
    one, end_us = record.get("id"), record.get("end_us")
    trace_id, span_id = record.get("trace_id"), record.get("span_id")
    if type(end_us) is not int or not all(
        isinstance(text, str) for text in (one, trace_id, span_id)
    ):
        return None
    body = encode(record)
    ripe_us = min(end_us, now_us) + ripe_after_us
    return (one, blake2b(body, digest_size=16).digest(), trace_id, span_id, ripe_us, now_us, body)


def _cursor(row: Sequence[Any]) -> Cursor:
    path, byte_offset, records, seq_max, sealed, damaged, finished = row
    return Cursor(path, byte_offset, records, seq_max, sealed, damaged, bool(finished))


def _stored(row: tuple[Any, ...]) -> Stored:
    n, body, ingested_us, charge_id, rule, ignored = row
    return Stored(n, from_record(decode(body)), ingested_us, charge_id, rule, ignored)


def _readable(row: tuple[Any, ...]) -> Stored | None:
    """An observation that was never looked into; None if it cannot be read."""
    try:
        stored = _stored(row)
        quantities = (stored.observation.reading.usage.leaves, stored.observation.cost.quantities)
        sound = all(type(n) is int for leaves in quantities for n in leaves.values())
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None
    return stored if sound else None


def _digest(key: Key) -> int:
    """63 bits of a key; a collision only makes settle look at two observations that have nothing in common."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "big") >> 1


def _parts(values: list[_T]) -> Iterator[list[_T]]:
    for at in range(0, len(values), _VARIABLES_MAX):
        yield values[at : at + _VARIABLES_MAX]
