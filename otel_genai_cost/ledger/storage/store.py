"""The ledger's file: SQLite, one writer, readers that never wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import ConfigurationError, LedgerError
from otel_genai_cost.journal.books import store_book
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.ledger.projections.budgets import Budgets
from otel_genai_cost.ledger.projections.credits import Credits
from otel_genai_cost.ledger.projections.gateway_holds import GatewayHolds
from otel_genai_cost.ledger.projections.holds import Holds
from otel_genai_cost.ledger.projections.notices import Notices
from otel_genai_cost.ledger.projections.projection import Projections
from otel_genai_cost.ledger.projections.spending import Spending
from otel_genai_cost.ledger.storage.candidates import Candidates
from otel_genai_cost.ledger.storage.cursors import Cursors
from otel_genai_cost.ledger.storage.decided import Events
from otel_genai_cost.ledger.storage.entries import Entries
from otel_genai_cost.ledger.storage.head_sampled import HeadSampled
from otel_genai_cost.ledger.storage.keeping import remedy
from otel_genai_cost.ledger.storage.observations import Observations
from otel_genai_cost.ledger.storage.opening import checked_id, connect
from otel_genai_cost.ledger.storage.rows import Stored, read_row
from otel_genai_cost.ledger.storage.scan import Scan
from otel_genai_cost.ledger.storage.started import StartedCalls
from otel_genai_cost.ledger.storage.texts import Texts
from otel_genai_cost.ledger.storage.tied import Tied
from otel_genai_cost.limits.credit_budget import credit_places
from otel_genai_cost.whole_files import replace_file

__all__ = ["Ledger", "Stored"]

_CONTRACTS: Final = "contracts"

_FREE_SHARE: Final = 5
_GIVEN_BACK: Final = 2_000
"""Pages that are given back at a time, while no other process can write."""


class Ledger:
    """An open ledger.

    Attributes:
        path: its file.
        id: 32 hex digits; another ledger, even one rebuilt from the same journals, has another.
        cursors: how far each journal segment is ingested.
        started: calls whose start was journalled and whose end was not yet.
        observations: what the journals said, and what became of it.
        head_sampled: calls of which only a sample is known.
        candidates: what might be the same response as an observation.
        entries: the money.
        scan: every charge in one pass.
        tied: what was settled together, across the keys that a stream may be cut by.
        events: what cannot be worked out again, written down beside it.
        budgets: how much may be spent, and what is booked of that.
        credits: what tenants have paid before, and what is left of it.
        holds: what calls that are not booked yet may come to.
        gateway_holds: those of calls that a proxy let through and nobody measured there.
        spending: what each tenant's calls cost, hour by hour.
        notices: what people are informed of, by which channels, and what became of it.
        contracts_digest: the sha256 of the contracts that it bills by; None if it never had any.

    Raises:
        LedgerError: if the file is no ledger or cannot be opened.
        FormatTooNewError: if a newer version wrote it.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        try:
            self._db = connect(path, readonly)
            found = dict(self._db.execute("SELECT key, value FROM meta"))
        except sqlite3.Error as error:
            raise LedgerError(
                f"cannot open the ledger {path}: {error}; {remedy(path.parent, error)}"
            ) from None
        self.id = read_row(path, "meta", "id", lambda: checked_id(path, found))
        self._texts = Texts(self._db)
        self.observations = Observations(self._db, path, self._texts)
        self.entries = Entries(self._db, path, self._texts)
        self.cursors = Cursors(self._db)
        self.started = StartedCalls(self._db, self.observations)
        self.head_sampled = HeadSampled(self._db)
        self.events = Events(path.parent)
        self.holds = Holds(self._db, self.entries.of, self.observations.of_ids)
        self.notices = Notices(self._db)
        self.spending = Spending(self._db)
        self.budgets = Budgets(
            self._db,
            self.entries.since,
            lambda: self.contracts,
            self.events.write,
            self.notices.queue,
        )
        self.credits = Credits(
            self._db,
            self.entries.of_tenants,
            self.notices.queue,
            self.events.write,
            lambda tenant, currency: self.holds.sums(credit_places(tenant, currency).burnt).open,
        )
        self.gateway_holds = GatewayHolds(self._db, self.holds, self.observations.by_charge)
        self._projections = Projections(
            self._db,
            (
                self.budgets,
                self.holds,
                self.gateway_holds,
                self.credits,
                self.notices,
                self.spending,
            ),
        )
        self.entries.projections = self._projections
        self.candidates = Candidates(self._db, self.observations.numbered)
        self.tied = Tied(self._db, self._texts, self.observations)
        self.scan = Scan(self._db, self.entries, self.observations)
        self.contracts_digest = found.get(_CONTRACTS)
        self._contracts: Contracts | None = None
        if not readonly:
            self._catch_up()

    def _catch_up(self) -> None:
        """Bring what follows from entries up to date."""
        self._projections.prepare()
        if self._projections.is_behind(self.entries.last_seq()):
            with self.transaction():
                self._projections.catch_up(self.entries.since)

    def close(self) -> None:
        """Close the file."""
        self.events.close()
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All of it or none of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._forget()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def snapshot(self) -> Generator[None, None, None]:
        """Read all of it as it is now, whatever is written meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    @contextmanager
    def attempt(self) -> Generator[None, None, None]:
        """A part of a transaction that is undone alone where it fails."""
        self._db.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self._forget()
            self._db.execute("ROLLBACK TO attempt")
            raise
        finally:
            self._db.execute("RELEASE attempt")

    def _forget(self) -> None:
        """What a transaction that fails wrote down is not there."""
        self._texts.forget()
        self.observations.forget()
        self.entries.forget()

    def shrink(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Give free pages back to the disk while they are more than a fifth of the file: what is pruned today makes
        room for what comes tomorrow, and only more than that is given back.

        Args:
            stop: whether to end early.

        Returns:
            The number of pages given back.
        """
        given = 0
        while not stop():
            free, pages = (
                self._db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count")
            )
            many = min(free - pages // _FREE_SHARE, _GIVEN_BACK)
            if many <= 0:
                break
            self._db.execute(f"PRAGMA incremental_vacuum({many})").fetchall()
            left = self._db.execute("PRAGMA freelist_count").fetchone()[0]
            if left >= free:  # the file was made without this
                break
            given += free - left
        return given

    def damage(self) -> str | None:
        """What SQLite finds wrong with the file, or an entry that cannot be read; None if all is well."""
        (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            return str(found)
        try:
            for _ in self.entries:
                pass
        except LedgerError as error:
            return str(error)
        return None

    def ingest(
        self,
        records: Iterable[dict[str, Any]],
        now_us: int,
        ripe_after_us: int,
        process: str = "",
        *,
        is_own: bool = True,
    ) -> int:
        """Keep what a journal says: observations, starts of calls, and what people decided. Identical copies are
        ignored, and so are records of a type that only a newer version knows.

        Args:
            records: as the journal has them.
            now_us: the time of ingestion, unix microseconds.
            ripe_after_us: how long after its end, or its ingestion if that was earlier, an observation is settled.
            process: who wrote the records; "" where that is not known.
            is_own: whether it is the ledger's own journal: what any other decides is ignored.

        Returns:
            The number of new observations.
        """
        observed, others = list[dict[str, Any]](), list[dict[str, Any]]()
        for record in records:
            (others if "type" in record else observed).append(record)
        if others:
            self._note_starts(others, process, now_us)
        if is_own:
            self._decide(others, now_us)
        new = self.observations.ingest(observed, now_us, ripe_after_us)
        self.holds.measure(observed)
        self.head_sampled.note(observed)
        return new

    def _note_starts(self, records: list[dict[str, Any]], process: str, now_us: int) -> None:
        starts = [record for record in records if record["type"] == "start"]
        self.started.note(starts, process, now_us)
        self.holds.dispatch(starts)

    def _decide(self, records: list[dict[str, Any]], now_us: int) -> None:
        for record in records:
            if record["type"] != "unlink":
                self._projections.decide(record, now_us)
            elif isinstance(one := record.get("observation_id"), str):
                self.unlink(one, now_us)

    def unlink(self, observation_id: str, now_us: int) -> None:
        """Have an observation stand alone when it is settled next, which is now.

        Args:
            observation_id: whole.
            now_us: the time, unix microseconds.
        """
        if self.observations.unlink(observation_id, now_us):
            self.observations.settle_again(observation_id, now_us)

    def noted(self, key: str) -> str | None:
        """What `note` wrote under that key."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def notes(self, prefix: str) -> dict[str, str]:
        """What `note` wrote under keys that begin so."""
        rows = self._db.execute(
            "SELECT key, value FROM meta WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)
        )
        return dict(rows.fetchall())

    def note(self, key: str, value: str) -> None:
        """Remember a word about the whole ledger."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    @property
    def contracts(self) -> Contracts:
        """What it bills by: the contracts that it, or a ledger in its place, had last.

        Raises:
            LedgerError: if they are lost.
        """
        if self._contracts is None:
            self._contracts = self._read_contracts()
        return self._contracts

    @contracts.setter
    def contracts(self, contracts: Contracts) -> None:
        self._contracts = contracts

    def _read_contracts(self) -> Contracts:
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
