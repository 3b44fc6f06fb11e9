"""Rating again: with the book an observation named, with one that knows more, or by contracts that changed.

A re-rate never edits: it books the signed difference beside the original. `rate` is pure, so the same book gives the
same figure for ever, and a book as known on a date is a book like any other.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from otel_genai_cost.journal.observation import Observation, from_record
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import Entry, entry_of, entry_record
from otel_genai_cost.ledger.posting.position import Position, positions
from otel_genai_cost.ledger.posting.post import Booked, book, net
from otel_genai_cost.ledger.rerating.active_terms import Terms
from otel_genai_cost.ledger.rerating.books import Books, rated_with
from otel_genai_cost.ledger.rerating.plain import (
    Cause,
    Change,
    cost_of,
    difference,
    is_plain,
    rated_plain,
)
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.settlement.verdict import (
    NEVER_RATED,
    Above,
    Member,
    Verdict,
    verdict_of,
)
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book

__all__ = [
    "Difference",
    "Rerated",
    "assess",
    "rate_unpriced",
    "rerate",
]

_T = TypeVar("_T")
_logger = logging.getLogger("otel_genai_cost")

_READ: Final = 500
"""Charges read at a time: few enough to stay in the processor's cache."""

_BATCH: Final = 5_000
"""Charges booked in one transaction: enough for a commit's cost to vanish."""

_TRIED: Final = "unpriced_tried"


class Rerated(NamedTuple):
    """A charge as it is booked, and as the terms have it."""

    charge_id: str
    before: tuple[Position, ...]
    after: tuple[Position, ...]
    changed: bool


class Difference(NamedTuple):
    """What a re-rate changes: the records of the entries that would be, or were, booked for one charge."""

    charge_id: str
    records: list[dict[str, Any]]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries themselves."""
        return tuple(map(entry_of, self.records))


def rerate(
    ledger: Ledger,
    book: Book | None,
    books: Books,
    *,
    now_us: int,
    dry_run: bool = False,
    contracts: Contracts | None = None,
) -> Iterator[Difference]:
    """Rate every charge with `book` and by `contracts`, and book the differences, cause `rerated`; a dry run only
    tells. Without a book the list prices stay as booked, without contracts the ledger's hold.

    The caller holds the writer's lock. Each batch of charges is one transaction.
    """
    terms = Terms(book, ledger.contracts if contracts is None else contracts)
    found = _differences(ledger, ledger.charge_ids(), terms, books, now_us)
    if dry_run:
        return found
    if terms.contracts.digest not in (None, ledger.contracts_digest):
        ledger.bill_by(terms.contracts)
    return _book_all(ledger, found, terms, books)


def rate_unpriced(
    ledger: Ledger, terms: Terms, books: Books, *, now_us: int, stop: Callable[[], bool]
) -> int:
    """Rate again what is unpriced or partial, where the book now explains more of it; the number of entries booked.

    A charge is tried once with each pair of book and contracts, which the ledger remembers when all are done: after a
    crash they are tried again, and those that are booked already come to no difference.
    """
    tried, _, told = (ledger.noted(_TRIED) or "").rpartition(" ")
    key = f"{terms.digest} {terms.contracts.digest}"
    since = int(told) if tried == key else 0
    last = ledger.last_seq()
    if since == last:
        return 0
    ids = ledger.unpriced_ids(since)
    better = _differences(ledger, ids, terms, books, now_us, _explains_more)
    booked = 0
    for one in _book_all(ledger, better, terms, books):
        booked += len(one.records)
        if stop():
            return booked
    ledger.note(_TRIED, f"{key} {last}")
    return booked


def _explains_more(change: Change) -> bool:
    """A price landed for what had none; a worse answer of an older book is no news."""
    before, after = change.booked.positions, change.after
    if not any(position.unpriced for position in before) or not after:
        return False
    ranks = [(_rank(one), len(one.lines)) for one in (before[0], after[0])]
    unread = before[0].reason == "no_price_book"
    return ranks[1] > ranks[0] or (unread and ranks[1] == ranks[0])


def _rank(position: Position) -> int:
    return 2 if not position.unpriced else 1 if position.lines else 0


def _book_all(
    ledger: Ledger, differences: Iterator[Difference], terms: Terms, books: Books
) -> Iterator[Difference]:
    """Book in batches, each one transaction."""
    if terms.book is not None:
        books.keep(terms.book)
    while batch := list(islice(differences, _BATCH)):
        with _collector_waits(), ledger.transaction():
            ledger.append_records([record for one in batch for record in one.records])
        yield from batch


class _Told(NamedTuple):
    """A charge's entries and members, as stored."""

    charge_id: str
    entries: list[dict[str, Any]]
    members: list[dict[str, Any]]


def _told(ledger: Ledger, part: list[str]) -> Iterator[_Told]:
    entries, members = ledger.records_by_charge(part)
    return (
        _Told(charge_id, entries[charge_id], members[charge_id])
        for charge_id in part
        if charge_id in members
    )


@contextmanager
def _collector_waits() -> Generator[None, None, None]:
    """Records are trees of small objects, which Python's collector would search for cycles again and again, together
    with a whole price book."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _in_parts(
    ledger: Ledger, charge_ids: Iterable[str], work: Callable[[_Told], _T | None]
) -> Iterator[_T]:
    """What `work` makes of each charge, where it makes anything."""
    ids = list(charge_ids)
    for at in range(0, len(ids), _READ):
        with _collector_waits():
            done = [work(told) for told in _told(ledger, ids[at : at + _READ])]
        yield from (one for one in done if one is not None)


def _differences(
    ledger: Ledger,
    charge_ids: Iterable[str],
    terms: Terms,
    books: Books,
    now_us: int,
    wanted: Callable[[Change], bool] | None = None,
) -> Iterator[Difference]:
    """The entries that lead from each charge as booked to what the terms have, where there are any."""
    unlinked, cause = ledger.unlinked(), Cause(terms.digest, now_us)

    def work(told: _Told) -> Difference | None:
        records = _quick(told, terms, cause) if wanted is None else None
        if records is None:
            change = _change(told, terms, books, unlinked)
            if change is None or (wanted is not None and not wanted(change)):
                return None
            records = [entry_record(entry) for entry in _entries(told.charge_id, change, cause)]
        return Difference(told.charge_id, records) if records else None

    return _in_parts(ledger, charge_ids, work)


def assess(ledger: Ledger, terms: Terms, books: Books) -> Iterator[Rerated]:
    """Every charge as booked and as the terms have it; nothing is written."""
    unlinked, cause = ledger.unlinked(), Cause(terms.digest, 0)

    def work(told: _Told) -> Rerated | None:
        change = _change(told, terms, books, unlinked)
        if change is None:
            return None
        changed = bool(_entries(told.charge_id, change, cause))
        return Rerated(told.charge_id, change.booked.positions, change.after, changed)

    return _in_parts(ledger, ledger.charge_ids(), work)


def _quick(told: _Told, terms: Terms, cause: Cause) -> list[dict[str, Any]] | None:
    """The records for nearly every charge of a re-rate at list prices; None where it takes a closer look."""
    book = terms.book
    if book is None or terms.contracts.contracts or not is_plain(told.members):
        return None
    return difference(told.entries, cost_of(told.members[0], book), cause)


def _change(told: _Told, terms: Terms, books: Books, unlinked: frozenset[str]) -> Change | None:
    if terms.book is not None and is_plain(told.members):
        cost = cost_of(told.members[0], terms.book)
        change = rated_plain(told.entries, told.members[0], cost, terms.contracts)
        if change is not None:
            return change
    return _settled(told.entries, told.members, terms, books, unlinked)


def _entries(charge_id: str, change: Change, cause: Cause) -> tuple[Entry, ...]:
    return book(
        charge_id,
        change.after,
        change.booked,
        cause="rerated",
        cause_id=cause.id,
        booked_us=cause.booked_us,
    )


def _settled(
    stored: list[dict[str, Any]],
    told: list[dict[str, Any]],
    terms: Terms,
    books: Books,
    unlinked: frozenset[str],
) -> Change | None:
    """A charge of several entries or members, or whose members say no more than what is booked."""
    booked = net(map(entry_of, stored))
    if booked is None:
        return None
    verdict = _verdict([from_record(record) for record in told], unlinked)
    after = _after(verdict, booked, terms, books)
    if after:
        return Change(booked, after)
    if booked.positions:
        _logger.warning(
            "charge %s stays as booked: its book is not kept, or its members do not tell how it is shared",
            stored[0]["charge_id"],
        )
    return None


def _verdict(members: list[Observation], unlinked: frozenset[str]) -> Verdict:
    if len(members) == 1 and members[0].reading.role == "response":
        return verdict_of([Member(members[0], None)], Above((), ()))
    return settle(members, unlinked).verdicts[0]


def _after(
    verdict: Verdict, booked: Booked, terms: Terms, books: Books
) -> tuple[Position, ...] | None:
    """What the charge comes to by the terms, for whom it is booked; None where its own book is not to be had, or its
    members no longer tell how it is shared."""
    if not booked.positions:
        return None
    cost = verdict.cost
    if cost.reason not in NEVER_RATED:
        digest = booked.positions[0].book
        if terms.book is not None:
            cost = rated_with(verdict.richest, terms.book)
        elif digest is not None and (digest != cost.book or verdict.is_patched):
            again = books.rate_again(verdict.richest, digest)
            if again is None:
                return None
            cost = again
    return positions(
        verdict._replace(cost=cost),
        booked.positions[0].occurred_us,
        terms.contracts,
        [position.attribution for position in booked.positions],
    )
