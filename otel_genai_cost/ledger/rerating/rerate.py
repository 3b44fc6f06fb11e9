"""Rating again: with the book an observation named, with one that knows more, or by contracts that changed.

A re-rate never edits: it posts the signed difference beside the original, and finds it as any posting does: a charge's
members are settled, what they come to is rated by other terms, and what is posted already is taken off. `rate` is pure,
so the same book gives the same figure for ever, and a book as known on a date is a book like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.garbage import no_garbage_collection
from otel_genai_cost.ledger.posting.port import RatedLedger
from otel_genai_cost.ledger.posting.position import Position, positions
from otel_genai_cost.ledger.posting.post import Posted, net, post
from otel_genai_cost.ledger.rerating.active_terms import Terms
from otel_genai_cost.ledger.rerating.books import BooksKept, rated_with
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.settlement.verdict import NEVER_RATED, Verdict
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book

__all__ = ["Difference", "Rerated", "assess", "rate_unpriced", "rerate"]

_T = TypeVar("_T")
_logger = logging.getLogger("otel_genai_cost")

_READ: Final = 500
"""Charges read at a time: few enough to stay in the processor's cache."""

_BATCH: Final = 5_000
"""Charges posted in one transaction: enough for a commit's cost to vanish."""

_TRIED: Final = "unpriced_tried"


class Rerated(NamedTuple):
    """A charge as it is booked, and as the terms have it."""

    charge_id: str
    before: tuple[Position, ...]
    after: tuple[Position, ...]
    changed: bool


class Difference(NamedTuple):
    """What a re-rate changes: the entries that would be, or were, posted for one charge."""

    charge_id: str
    entries: tuple[Entry, ...]


def rerate(
    ledger: RatedLedger,
    book: Book | None,
    books: BooksKept,
    *,
    now_us: int,
    dry_run: bool = False,
    contracts: Contracts | None = None,
) -> Iterator[Difference]:
    """Rate every charge again and post the differences, cause `rerated`. The caller holds the writer's lock; each batch
    of charges is one transaction.

    Args:
        ledger: what to read and write.
        book: what to rate with; None keeps the list prices as booked.
        books: where the books that charges name are found, and `book` is kept.
        now_us: the time of posting, unix microseconds.
        dry_run: whether to write nothing.
        contracts: what to bill by; None for those that the ledger has.

    Returns:
        The differences, each yielded after it was posted; nothing is done before they are asked for.

    Raises:
        LedgerError: if a row of a charge is damaged; what was posted before stays.
    """
    terms = Terms(book, ledger.contracts if contracts is None else contracts)
    found = _differences(ledger, ledger.entries.charge_ids(), terms, books, now_us)
    if dry_run:
        return found
    if terms.contracts.digest not in (None, ledger.contracts_digest):
        ledger.bill_by(terms.contracts)
    return _post_all(ledger, found, terms, books)


def rate_unpriced(
    ledger: Ledger, terms: Terms, books: BooksKept, *, now_us: int, stop: Callable[[], bool]
) -> int:
    """Rate again what is unpriced or partial, and post it where the book now explains more of it.

    A charge is tried once with each pair of book and contracts, which the ledger remembers when all are done: after a
    crash they are tried again, and those that are posted already come to no difference.

    Args:
        ledger: what to read and write.
        terms: what to rate by.
        books: where the books that charges name are found, and the terms' book is kept.
        now_us: the time of posting, unix microseconds.
        stop: whether to end early.

    Returns:
        The number of entries posted.
    """
    tried, _, last_tried = (ledger.noted(_TRIED) or "").rpartition(" ")
    key = f"{terms.digest} {terms.contracts.digest}"
    since = int(last_tried) if tried == key else 0
    last = ledger.entries.last_seq()
    if since == last:
        return 0
    ids = ledger.entries.unpriced_ids(since)
    better = _differences(ledger, ids, terms, books, now_us, _explains_more)
    posted = 0
    for one in _post_all(ledger, better, terms, books):
        posted += len(one.entries)
        if stop():
            return posted
    ledger.note(_TRIED, f"{key} {last}")
    return posted


def assess(
    ledger: Ledger, terms: Terms, books: BooksKept, charge_ids: Iterable[str] | None = None
) -> Iterator[Rerated]:
    """Charges as booked and as the terms have them; nothing is written.

    Args:
        ledger: what to read.
        terms: what to rate by.
        books: where the books that charges name are found.
        charge_ids: which, each of them booked; None for every one.

    Raises:
        LedgerError: if a row of a charge is damaged.
    """

    def rerated(change: _Change) -> Rerated:
        changed = bool(_entries(change, terms, 0))
        return Rerated(change.charge_id, change.posted.positions, change.after, changed)

    ids = ledger.entries.charge_ids() if charge_ids is None else charge_ids
    return _each_change(ledger, ids, terms, books, rerated)


class _Change(NamedTuple):
    """A charge as it is posted, and what it comes to by other terms."""

    charge_id: str
    posted: Posted
    after: tuple[Position, ...]


def _explains_more(change: _Change) -> bool:
    """A price landed for what had none; a worse answer of an older book is no news."""
    before, after = change.posted.positions, change.after
    if not any(position.unpriced for position in before) or not after:
        return False
    ranks = [(_rank(one), len(one.lines)) for one in (before[0], after[0])]
    unread = before[0].reason == "no_price_book"
    return ranks[1] > ranks[0] or (unread and ranks[1] == ranks[0])


def _rank(position: Position) -> int:
    return 2 if not position.unpriced else 1 if position.lines else 0


def _post_all(
    ledger: RatedLedger, differences: Iterator[Difference], terms: Terms, books: BooksKept
) -> Iterator[Difference]:
    """Post in batches, each one transaction."""
    if terms.book is not None:
        books.keep(terms.book)
    while batch := list(islice(differences, _BATCH)):
        with ledger.transaction():
            ledger.entries.append([entry for one in batch for entry in one.entries])
        yield from batch


def _differences(
    ledger: RatedLedger,
    charge_ids: Iterable[str],
    terms: Terms,
    books: BooksKept,
    now_us: int,
    is_wanted: Callable[[_Change], bool] = lambda change: True,
) -> Iterator[Difference]:
    """The entries that lead from each charge as posted to what the terms have, where there are any."""

    def difference(change: _Change) -> Difference | None:
        entries = _entries(change, terms, now_us) if is_wanted(change) else ()
        return Difference(change.charge_id, entries) if entries else None

    return _each_change(ledger, charge_ids, terms, books, difference)


def _entries(change: _Change, terms: Terms, now_us: int) -> tuple[Entry, ...]:
    return post(
        change.charge_id,
        change.after,
        change.posted,
        cause="rerated",
        cause_id=terms.digest,
        booked_us=now_us,
    )


def _each_change(
    ledger: RatedLedger,
    charge_ids: Iterable[str],
    terms: Terms,
    books: BooksKept,
    work: Callable[[_Change], _T | None],
) -> Iterator[_T]:
    """What `work` makes of each charge that the terms say something of, where it makes anything."""
    ids, unlinked = list(charge_ids), ledger.observations.unlinked()
    for at in range(0, len(ids), _READ):
        part = ids[at : at + _READ]
        with no_garbage_collection():
            entries = ledger.entries.by_charge(part)
            members = ledger.observations.by_charge(part)
            changes = [
                _change(entries[charge_id], members[charge_id], terms, books, unlinked)
                for charge_id in part
                if charge_id in members
            ]
            done = [work(change) for change in changes if change is not None]
        yield from (one for one in done if one is not None)


def _change(
    entries: list[Entry],
    members: list[Observation],
    terms: Terms,
    books: BooksKept,
    unlinked: frozenset[str],
) -> _Change | None:
    """What a charge comes to by the terms; None if that cannot be known, or it was merged into another."""
    charge_id, posted = entries[0].charge_id, net(entries)
    if posted is None or not posted.positions:
        return None
    verdict = settle(members, unlinked).verdicts[0]
    after = _after(verdict, posted, terms, books)
    if not after:
        _logger.warning(
            "charge %s stays as booked: its book is not kept, or its members do not say how it is shared",
            charge_id,
        )
        return None
    return _Change(charge_id, posted, after)


def _used(one: Observation, terms: Terms) -> Observation:
    """With the usage that the terms ask for."""
    if terms.used is None:
        return one
    reading = one.reading
    return one._replace(reading=reading._replace(usage=terms.used(reading.usage)))


def _after(
    verdict: Verdict, posted: Posted, terms: Terms, books: BooksKept
) -> tuple[Position, ...] | None:
    """What the charge comes to by the terms, for whom it is booked; None where its own book is not to be had, or its
    members no longer say how it is shared."""
    cost = verdict.cost
    if cost.reason not in NEVER_RATED:
        digest = posted.positions[0].book
        if terms.book is not None:
            cost = rated_with(_used(verdict.richest, terms), terms.book)
        elif digest is not None and (digest != cost.book or verdict.is_patched):
            again = books.rate_again(verdict.richest, digest)
            if again is None:
                return None
            cost = again
    return positions(
        verdict._replace(cost=cost),
        posted.positions[0].occurred_us,
        terms.contracts,
        [position.attribution for position in posted.positions],
    )
