"""Rating again: with the book an observation named, or with one that knows more.

A re-rate never edits: it books the signed difference beside the original. `rate` is pure, so the same book gives the
same figure for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.booking import book, net, positions
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.settle import settle
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.load import load_book, read_lock
from otel_genai_cost.pricing.rate import price

__all__ = ["Books", "Difference", "rated_with", "rerate"]

_BATCH = 1_000


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
                store_book(folder, book.digest, book.lock)
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


class Difference(NamedTuple):
    """What a re-rate changes: the entries that would be, or were, booked for one charge."""

    charge_id: str
    entries: tuple[Entry, ...]


def rerate(
    ledger: Ledger, book: Book, books: Books, *, now_us: int, dry_run: bool = False
) -> Iterator[Difference]:
    """Rate every charge with `book` and book the differences, cause `rerated`; a dry run only tells.

    The caller holds the writer's lock. Each batch of charges is one transaction.
    """
    if not dry_run:
        books.keep(book)
    ids = list(ledger.charge_ids())
    for at in range(0, len(ids), _BATCH):
        found = [
            d for one in ids[at : at + _BATCH] if (d := _difference(ledger, one, book, now_us))
        ]
        if not dry_run:
            with ledger.transaction():
                for difference in found:
                    ledger.append(difference.entries)
                    ledger.note_rerated(difference.charge_id, book.digest)
        yield from found


def _difference(ledger: Ledger, charge_id: str, priced_by: Book, now_us: int) -> Difference | None:
    entries = ledger.entries_of(charge_id)
    booked = net(entries)
    members = [one.observation for one in ledger.members_of(charge_id)]
    if booked is None or not members:
        return None
    verdict = settle(members, ledger.unlinked()).verdicts[0]
    cost = verdict.cost
    if cost.reason != "poll_without_call":
        cost = rated_with(verdict.richest, priced_by)
    wanted = tuple(
        position._replace(attribution=before.attribution)
        for position, before in zip(
            positions(verdict._replace(cost=cost), entries[0].occurred_us),
            booked.positions,
            strict=False,
        )
    )
    steps = book(
        charge_id,
        wanted,
        booked,
        cause="rerated",
        cause_id=priced_by.digest,
        booked_us=now_us,
    )
    return Difference(charge_id, steps) if steps else None
