"""Rating again: with the book an observation named, with one that knows more, or by contracts that changed.

A re-rate never edits: it books the signed difference beside the original. `rate` is pure, so the same book gives the
same figure for ever, and a book as known on a date is a book like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.booking import Booked, Position, book, net, positions
from otel_genai_cost.ledger.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.settle import settle
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.ledger.verdict import Member, Verdict, verdict_of
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.load import load_book, read_lock
from otel_genai_cost.pricing.rate import price

__all__ = [
    "Books",
    "Difference",
    "Rerated",
    "Terms",
    "assess",
    "rate_unpriced",
    "rated_with",
    "rerate",
]

_BATCH: Final = 1_000
_TRIED: Final = "unpriced_tried"


class Books:
    """Price books by digest: those kept beside the journals, and the wheel's."""

    def __init__(self, journals: Sequence[Path]) -> None:
        self._journals = tuple(journals)
        self._known: dict[str, Book | None] = {}

    def get(self, digest: str) -> Book | None:
        """The book of that digest; None if nobody kept it."""
        if digest not in self._known:
            self._known[digest] = self._find(digest)
        return self._known[digest]

    def _find(self, digest: str) -> Book | None:
        whole, _, known_us = digest.partition("@")
        if known_us:  # a book as known on a date
            found = self.get(whole)
            return None if found is None else found.as_known_on(int(known_us))
        for folder in self._journals:
            if (lock := stored_book(folder, digest)) is not None:
                return read_lock(lock, f"books/{digest}.json")
        wheel = load_book()
        return wheel if wheel.digest == digest else None

    def keep(self, book: Book) -> None:
        """Keep a book beside the first journal that can be written, so that what it priced can be recomputed."""
        self._known[book.digest] = book
        for folder in self._journals:
            try:
                store_book(folder, book.digest.partition("@")[0], book.lock)
            except OSError:
                continue
            return

    def rate_again(self, observation: Observation, digest: str) -> Cost | None:
        """The cost of an observation with the book of that digest; None if it is not to be had."""
        found = self.get(digest)
        return None if found is None else rated_with(observation, found)


def rated_with(observation: Observation, book: Book) -> Cost:
    """What an observation's usage costs by another book. A provider's own figure stands."""
    reading, cost = observation.reading, observation.cost
    if cost.source == "provider" or cost.reason == "poll_without_call":
        return cost
    model = reading.model_returned or reading.model_requested
    return price(book, reading.provider, model, reading.usage, observation.end_us, reading.context)


class Terms(NamedTuple):
    """What charges are rated by: a book, or None for the list prices they are booked with, and the contracts."""

    book: Book | None
    contracts: Contracts = LIST_PRICES

    @property
    def digest(self) -> str | None:
        """The cause of an entry that these terms bring about."""
        return self.contracts.digest if self.book is None else self.book.digest


class Rerated(NamedTuple):
    """A charge as it is booked, as the terms have it, and the entries that lead from one to the other."""

    charge_id: str
    before: tuple[Position, ...]
    after: tuple[Position, ...]
    entries: tuple[Entry, ...]


class Difference(NamedTuple):
    """What a re-rate changes: the entries that would be, or were, booked for one charge."""

    charge_id: str
    entries: tuple[Entry, ...]


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
    changed = assess(ledger, ledger.charge_ids(), terms, books, now_us)
    if not dry_run and terms.contracts.digest not in (None, ledger.contracts_digest):
        ledger.bill_by(terms.contracts)
    if dry_run:
        return (Difference(one.charge_id, one.entries) for one in changed if one.entries)
    return _book_all(ledger, changed, terms, books)


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
    better = (one for one in assess(ledger, ids, terms, books, now_us) if _explains_more(one))
    booked = 0
    for one in _book_all(ledger, better, terms, books):
        booked += len(one.entries)
        if stop():
            return booked
    ledger.note(_TRIED, f"{key} {last}")
    return booked


def _explains_more(one: Rerated) -> bool:
    """A price landed for what had none; a worse answer of an older book is no news."""
    if not any(position.unpriced for position in one.before):
        return False
    ranks = [
        (_rank(position), len(position.lines)) for position in (*one.before[:1], *one.after[:1])
    ]
    unread = one.before[0].reason == "no_price_book"
    return len(ranks) == 2 and (ranks[1] > ranks[0] or (unread and ranks[1] == ranks[0]))


def _rank(position: Position) -> int:
    return 2 if not position.unpriced else 1 if position.lines else 0


def _book_all(
    ledger: Ledger, changed: Iterator[Rerated], terms: Terms, books: Books
) -> Iterator[Difference]:
    """Book in batches, each one transaction."""
    if terms.book is not None:
        books.keep(terms.book)
    changes = (one for one in changed if one.entries)
    while batch := list(islice(changes, _BATCH)):
        with ledger.transaction():
            ledger.append([entry for one in batch for entry in one.entries])
            if terms.book is not None:
                ledger.note_rerated([one.charge_id for one in batch], terms.book.digest)
        yield from (Difference(one.charge_id, one.entries) for one in batch)


def assess(
    ledger: Ledger, charge_ids: Iterable[str], terms: Terms, books: Books, now_us: int
) -> Iterator[Rerated]:
    """Each charge as booked and as the terms have it; nothing is written."""
    unlinked = ledger.unlinked()
    ids = list(charge_ids)
    for at in range(0, len(ids), _BATCH):
        part = ids[at : at + _BATCH]
        entries, members = ledger.entries_by_charge(part), ledger.members_by_charge(part)
        for charge_id in part:
            booked = net(entries[charge_id])
            if booked is None or charge_id not in members:
                continue
            verdict = _verdict(members[charge_id], unlinked)
            after = _after(verdict, booked, terms, books)
            if after:
                yield _rerated(charge_id, booked, after, terms, now_us)


def _verdict(members: list[Observation], unlinked: frozenset[str]) -> Verdict:
    if len(members) == 1 and members[0].reading.role == "response":
        return verdict_of([Member(members[0], None)], {})
    return settle(members, unlinked).verdicts[0]


def _after(
    verdict: Verdict, booked: Booked, terms: Terms, books: Books
) -> tuple[Position, ...] | None:
    """What the charge comes to by the terms, for whom it is booked; None where its own book is not to be had, or its
    members no longer tell how it is shared."""
    if not booked.positions:
        return None
    cost = verdict.cost
    if cost.reason != "poll_without_call":
        digest = booked.positions[0].book
        if terms.book is not None:
            cost = rated_with(verdict.richest, terms.book)
        elif digest is not None and digest != cost.book:
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


def _rerated(
    charge_id: str, booked: Booked, after: tuple[Position, ...], terms: Terms, now_us: int
) -> Rerated:
    entries = book(
        charge_id, after, booked, cause="rerated", cause_id=terms.digest, booked_us=now_us
    )
    return Rerated(charge_id, booked.positions, after, entries)
