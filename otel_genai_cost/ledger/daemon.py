"""`genai-cost ship`: from journal segments to booked entries to sinks. One process at a time for a ledger."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.errors import FormatTooNewError, GenAICostError, LedgerError
from otel_genai_cost.journal.reader import Batch, is_finished, read, segments
from otel_genai_cost.journal.receiving import is_receivers, with_senders
from otel_genai_cost.journal.repair import sweep
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.garbage import no_garbage_collection
from otel_genai_cost.ledger.outlet import Outlet
from otel_genai_cost.ledger.posting.run import RIPE_AFTER_US, prune_evidence, settle_waiting
from otel_genai_cost.ledger.rerating.active_terms import ActiveTerms, Terms
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import rate_unpriced
from otel_genai_cost.ledger.sink import Sink
from otel_genai_cost.ledger.source import Source, drawn
from otel_genai_cost.ledger.storage.cursors import Cursor, advanced
from otel_genai_cost.ledger.storage.keeping import EVENTS, LEDGER_FILE, remedy
from otel_genai_cost.ledger.storage.lock import exclusive
from otel_genai_cost.ledger.storage.retention import Retention, refuse_holes
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book

__all__ = ["LEDGER_FILE", "Shipped", "ship", "writer_lock"]

_logger = logging.getLogger("otel_genai_cost")

_LOCK_FILE: Final = "ledger.lock"
_NEXT_COMES_WITHIN_US: Final = 300_000_000
_POLL_S: Final = 1.0
_PRUNE_EVERY_S: Final = 3_600.0
_FOREVER_US: Final = 1 << 62


class Shipped(NamedTuple):
    """What one run did; `rerated` of the entries came of a book that knows more. `damaged` lines and `gaps` are totals
    over every segment and source the ledger knows; `sink_errors` were logged, and the sink is fed again next time.
    `conflicts` are charges with copies of one span that contradict each other; `cut` says how often so many equal calls
    were about that not all were settled together. `unread` segments, folders and sources could not be read, and `unfed`
    sinks not be fed, the last time it was tried; the worst of them lacks `unfed_entries`. `waiting` observations are
    ingested and not settled; the oldest call of them ended at `oldest_us` (unix microseconds)."""

    observations: int = 0
    settled: int = 0
    entries: int = 0
    damaged: int = 0
    gaps: int = 0
    sink_errors: int = 0
    conflicts: int = 0
    cut: int = 0
    rerated: int = 0
    unread: int = 0
    unfed: int = 0
    waiting: int = 0
    oldest_us: int | None = None
    unfed_entries: int = 0

    def plus(self, other: Shipped) -> Shipped:
        """The sums; totals over segments are the latest."""
        return Shipped(
            observations=self.observations + other.observations,
            settled=self.settled + other.settled,
            entries=self.entries + other.entries,
            damaged=other.damaged,
            gaps=other.gaps,
            sink_errors=self.sink_errors + other.sink_errors,
            conflicts=self.conflicts + other.conflicts,
            cut=self.cut + other.cut,
            rerated=self.rerated + other.rerated,
            unread=other.unread,
            unfed=other.unfed,
            waiting=other.waiting,
            oldest_us=other.oldest_us,
            unfed_entries=other.unfed_entries,
        )


@contextmanager
def writer_lock(home: Path) -> Generator[None, None, None]:
    """Be the ledger's one writer for the length of the block.

    Args:
        home: the ledger's folder, made if it is not there.

    Raises:
        LedgerLockedError: if another process is its writer.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    refusal = f"another process ships into {home}; reports work meanwhile, a second writer does not"
    with exclusive(home / _LOCK_FILE, refusal):
        yield


def ship(
    home: Path,
    journals: Sequence[Path],
    *,
    sinks: Sequence[Sink] = (),
    sources: Sequence[Source] = (),
    drain: bool = False,
    follow: bool = False,
    stop: threading.Event | None = None,
    retire_segments: bool = False,
    book: Callable[[], Book] | None = None,
    contracts: Callable[[], Contracts] | None = None,
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    on_round: Callable[[Shipped], None] = lambda done: None,
) -> Shipped:
    """Ingest the journals, settle what is ripe, post it and feed the sinks.

    Args:
        home: the ledger's folder, made if it is not there.
        journals: the folders of segments.
        sinks: where entries are copied to.
        sources: where observations come from beside the journals.
        drain: whether everything is taken for ripe.
        follow: whether to go on, a round a second, until `stop` is set.
        stop: ends it after the batch at hand: what is not ingested, settled or fed by then is left for the next run.
        retire_segments: whether segments that are ingested and finished are deleted.
        book: asked every round; with a book, what is unpriced is rated again.
        contracts: asked every round; without any, those that the ledger had last hold.
        clock_us: the time, in unix microseconds.
        on_round: told after each round what all rounds did.

    Returns:
        What all rounds did.

    Raises:
        LedgerLockedError: if another process ships into this ledger.
        LedgerError: if the ledger cannot be read or written.
    """
    with writer_lock(home):
        if not (home / LEDGER_FILE).exists():
            refuse_holes(home, journals)
        ledger = Ledger(home / LEDGER_FILE)
        try:
            shipper = _Shipper(
                ledger=ledger,
                journals=tuple(journals),
                sinks=tuple(sinks),
                sources=tuple(sources),
                clock_us=clock_us,
                retire_segments=retire_segments,
                terms=ActiveTerms(ledger, book, contracts),
                stop=stop or threading.Event(),
            )
            return shipper.rounds(drain=drain, follow=follow, on_round=on_round)
        except sqlite3.Error as error:
            raise LedgerError(
                f"cannot write the ledger in {home}: {error}; {remedy(home, error)}"
            ) from None
        finally:
            ledger.close()


class _Left(NamedTuple):
    """See `Shipped`."""

    waiting: int
    oldest_us: int | None
    unfed_entries: int


class _Shipper:
    """One writer's rounds."""

    def __init__(
        self,
        ledger: Ledger,
        journals: tuple[Path, ...],
        sinks: tuple[Sink, ...],
        sources: tuple[Source, ...],
        clock_us: Callable[[], int],
        retire_segments: bool,
        terms: ActiveTerms,
        stop: threading.Event,
    ) -> None:
        self._ledger, self._journals = ledger, journals
        self._outlets = [Outlet(sink) for sink in sinks]
        self._sources = sources
        self._clock_us = clock_us
        self._retention = Retention(
            ledger.path.parent, ledger.id, ledger.cursors, journals, deletes=retire_segments
        )
        self._retention.begin()
        self._terms, self._stop = terms, stop
        self._books = Books(journals)
        self._next_prune_s = 0.0
        self._unread = 0

    def rounds(self, *, drain: bool, follow: bool, on_round: Callable[[Shipped], None]) -> Shipped:
        """One, or one a second until it is told to stop."""
        done = self.round(drain)
        on_round(done)
        while follow and not self._stop.wait(_POLL_S):
            done = done.plus(self.round(drain))
            on_round(done)
        return done

    def round(self, drain: bool) -> Shipped:
        """Everything that is there now, once."""
        self._unread = 0
        paths = self._segments()
        observations = sum(self._ingest(path) for path in paths)
        observations += sum(self._draw(source) for source in self._sources)
        self._retention.count_gone(paths)
        terms = self._terms.now()
        cuts = self._ledger.candidates.cuts
        if not self._stop.is_set() and self._are_all(paths):
            self._end_started(paths)
        self._pass_time()
        settled, entries, conflicts = self._settle(drain)
        rerated = self._rate_unpriced(terms)
        self._prune()
        errors = sum(outlet.feed(self._ledger, self._stop.is_set) for outlet in self._outlets)
        cursors = self._ledger.cursors.all()
        damaged = sum(cursor.damaged for cursor in cursors)
        gaps = sum(cursor.gaps for cursor in cursors)
        gaps += sum(source.lost(self._ledger) for source in self._sources)
        cut = self._ledger.candidates.cuts - cuts
        booked = entries + rerated
        return Shipped(
            observations=observations,
            settled=settled,
            entries=booked,
            damaged=damaged,
            gaps=gaps,
            sink_errors=errors,
            conflicts=conflicts,
            cut=cut,
            rerated=rerated,
            unread=self._unread,
            unfed=sum(not outlet.is_fed for outlet in self._outlets),
            **self._left()._asdict(),
        )

    def _left(self) -> _Left:
        """What is still to be done."""
        waiting, oldest_us = self._ledger.observations.unsettled()
        last = self._ledger.entries.last_seq()
        lacking = (last - outlet.fed_seq for outlet in self._outlets)
        return _Left(waiting, oldest_us, max(lacking, default=0))

    def _segments(self) -> list[Path]:
        """What people decided first: it holds from the first booking on."""
        folders = (self._ledger.path.parent / EVENTS, *with_senders(self._journals))
        return [path for folder in folders for path in self._listed(folder)]

    def _listed(self, folder: Path) -> list[Path]:
        try:
            return segments(folder)
        except OSError as error:
            self._unread += 1
            _logger.error("cannot look into the journal folder %s: %s", folder, error)
            return []

    def _are_all(self, paths: list[Path]) -> bool:
        """Whether no writer has begun a segment since these were listed: who has just left its last is not gone."""
        known = set(paths)
        for folder in with_senders(self._journals):
            with suppress(OSError):
                if not known.issuperset(segments(folder)):
                    return False
        return True

    def _ingest(self, path: Path) -> int:
        """Read a segment to its end."""
        cursor, new = self._ledger.cursors.of(str(path)), 0
        if cursor.finished:
            self._retention.put_away(path, cursor)
            return 0
        done = False
        try:
            finished = is_finished(path)
            while not self._stop.is_set():
                with no_garbage_collection():
                    batch = read(path, cursor.byte_offset, finished=finished)
                    done = finished and batch.at_end
                    if batch.offset == cursor.byte_offset and not done:
                        return new
                    cursor = advanced(cursor, batch, done)
                    new += self._keep(path, batch, cursor)
                self._warn(path, batch, cursor)
                if batch.at_end:
                    break
        except (OSError, FormatTooNewError) as error:
            self._unread += 1
            _logger.error("cannot read the journal segment %s: %s", path, error)
            return new
        if done:
            self._retention.put_away(path, cursor)
        return new

    def _keep(self, path: Path, batch: Batch, cursor: Cursor) -> int:
        """A batch and its cursor are one transaction."""
        with self._ledger.transaction():
            new = self._ledger.ingest(
                batch.records,
                self._clock_us(),
                RIPE_AFTER_US,
                cursor.process,
                is_own=path.parent == self._ledger.path.parent / EVENTS,
            )
            self._ledger.cursors.advance(cursor)
        return new

    def _draw(self, source: Source) -> int:
        """Ingest what a source has."""
        try:
            return drawn(
                source, self._ledger, self._books, self._clock_us, RIPE_AFTER_US, self._stop.is_set
            )
        except GenAICostError as error:
            self._unread += 1
            _logger.error("%s", error)
            return 0
        finally:
            self._unread += source.unread

    def _warn(self, path: Path, batch: Batch, cursor: Cursor) -> None:
        for damage in batch.damage[:5]:
            _logger.warning("%s: skipped at byte %d: %s", path, damage.offset, damage.reason)
        if cursor.gaps:
            _logger.warning("%s: %d record(s) are proved to be missing", path, cursor.gaps)

    def _end_started(self, paths: list[Path]) -> None:
        """Calls that cannot end any more: nobody of their process writes a segment."""
        now_us = self._clock_us()
        recent = set(self._recently_received(paths, now_us))
        running = {
            one.process
            for one in self._ledger.cursors.all()
            if not one.finished or one.path in recent
        }
        with self._ledger.transaction():
            self._ledger.started.end(now_us, now_us + RIPE_AFTER_US, running)

    def _recently_received(self, paths: list[Path], now_us: int) -> Iterator[str]:
        """Segments whose process may have begun another that has not come yet, being on another machine."""
        elsewhere = set(filter(is_receivers, with_senders(self._journals)))
        for path in paths:
            with suppress(OSError):
                if path.parent in elsewhere:
                    age_us = now_us - path.stat().st_mtime_ns // 1_000
                    if age_us < _NEXT_COMES_WITHIN_US:
                        yield str(path)

    def _pass_time(self) -> None:
        """What begins or ends though nothing is booked."""
        now_us = self._clock_us()
        for one in (self._ledger.budgets, self._ledger.credits):
            if one.is_due(now_us):
                with self._ledger.transaction():
                    one.pass_time(now_us)

    def _rate_unpriced(self, terms: Terms) -> int:
        if terms.book is None or not terms.book.digest:
            return 0
        return rate_unpriced(
            self._ledger, terms, self._books, now_us=self._clock_us(), stop=self._stop.is_set
        )

    def _settle(self, drain: bool) -> tuple[int, int, int]:
        """Settle in batches, each with its entries in one transaction."""
        settled = entries = conflicts = 0
        now_us = self._clock_us()
        while not self._stop.is_set():
            with no_garbage_collection(), self._ledger.transaction():
                ripe_us = _FOREVER_US if drain else now_us
                done = settle_waiting(self._ledger, ripe_us, now_us, self._books.rate_again)
            settled, entries = settled + done.waiting, entries + done.entries
            conflicts += done.conflicts
            if not done.waiting:
                break
        return settled, entries, conflicts

    def _prune(self) -> None:
        if time.monotonic() < self._next_prune_s or self._stop.is_set():
            return
        self._next_prune_s = time.monotonic() + _PRUNE_EVERY_S
        for folder in with_senders(self._journals):
            with suppress(OSError):  # another user's, who may sweep it himself
                sweep(folder)
        prune_evidence(self._ledger, self._clock_us())
        self._ledger.shrink(self._stop.is_set)
