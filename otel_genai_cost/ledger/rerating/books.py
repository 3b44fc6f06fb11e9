"""Price books by digest, so that an observation can be rated again with the book it names."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from otel_genai_cost.errors import FormatTooNewError, LedgerError, PriceBookError, Seldom
from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.receiving import with_senders
from otel_genai_cost.ledger.settlement.verdict import NEVER_RATED
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.load import load_book, read_lock
from otel_genai_cost.pricing.rate import TariffSource, price

__all__ = ["Books", "BooksKept", "find_book", "rated_with"]

_INSTANT: Final = re.compile(r"[0-9]{1,18}")
_logger: Final = logging.getLogger(__name__)
_unreadable: Final = Seldom()


class BooksKept(Protocol):
    """Where price books are found by their digest, and kept."""

    def keep(self, book: Book) -> None:
        """Keep a book, so that what it priced can be recomputed."""
        ...

    def rate_again(self, observation: Observation, digest: str) -> Cost | None:
        """The cost of an observation with the book of that digest; None if it is not to be had."""
        ...


class Books:
    """Price books by digest: those kept beside the journals, and the wheel's.

    Args:
        journals: the folders that are looked into, in this order; the first that can be written keeps new books.
    """

    def __init__(self, journals: Sequence[Path]) -> None:
        self._journals = tuple(journals)
        self._known: dict[str, Book] = {}

    def get(self, digest: str) -> Book | None:
        """The book of that digest; None as long as nobody has kept it."""
        if digest not in self._known:
            found = find_book(digest, self.get, self._kept, "books/{}.json")
            if found is None:
                return None
            self._known[digest] = found
        return self._known[digest]

    def _kept(self, digest: str) -> bytes | None:
        kept = (stored_book(folder, digest) for folder in with_senders(self._journals))
        return next((lock for lock in kept if lock is not None), None)

    def has(self, digest: str) -> bool:
        """Whether the book of that digest is kept; it is not read, which takes longer than a report."""
        return self._kept(digest.partition("@")[0]) is not None or self.get(digest) is not None

    def keep(self, book: Book) -> None:
        """Keep a book beside the first journal that can be written, so that what it priced can be recomputed."""
        self._known[book.digest] = book
        for folder in self._journals:
            try:
                store_book(folder, book.digest.partition("@")[0], book.lock)
            except OSError:
                continue
            return

    def keep_lock(self, digest: str, lock: bytes) -> None:
        """Keep the lock of a book that came from elsewhere.

        Args:
            digest: its SHA-256, hexadecimal.
            lock: canonical JSON.

        Raises:
            LedgerError: if no journal's folder can be written.
        """
        refusal: OSError | None = None
        for folder in self._journals:
            try:
                return store_book(folder, digest, lock)
            except OSError as error:
                refusal = error
        raise LedgerError(
            f"the price book {digest[:12]} that came cannot be kept: {refusal}; free some space"
        )

    def rate_again(self, observation: Observation, digest: str) -> Cost | None:
        """The cost of an observation with the book of that digest; None if it is not to be had."""
        found = self.get(digest)
        return None if found is None else rated_with(observation, found)


def find_book(
    digest: str,
    get: Callable[[str], Book | None],
    kept: Callable[[str], bytes | None],
    shown: str,
) -> Book | None:
    """A book, or one as known on a date: the wheel's, or one that is kept; None if nobody has it.

    One that cannot be read is nobody's: it may come from others, and all else is to be booked nevertheless.

    Args:
        digest: which, with `@` and the date if there is one.
        get: gives the whole book of a digest.
        kept: gives the lock that is kept of one.
        shown: what it is called where it is damaged, with `{}` for the digest.
    """
    whole, at, known_us = digest.partition("@")
    if at:
        found = get(whole) if _INSTANT.fullmatch(known_us) else None
        return None if found is None else found.as_known_on(int(known_us))
    wheel = load_book()
    if wheel.digest == digest:  # the same bytes, which were checked when they were made
        return wheel
    lock = kept(digest)
    try:
        return None if lock is None else read_lock(lock, shown.format(digest))
    except (PriceBookError, FormatTooNewError) as error:
        if _unreadable.may_say(digest):
            _logger.error("nothing is rated by a price book: %s", str(error).partition("\n")[0])
        return None


def rated_with(observation: Observation, book: TariffSource) -> Cost:
    """What an observation's usage costs by another book.

    Args:
        observation: what was metered.
        book: what to rate with.

    Returns:
        The cost that it has already, where a provider's own figure or a reason that no book changes decides.
    """
    reading, cost = observation.reading, observation.cost
    if cost.source == "provider" or cost.reason in NEVER_RATED:
        return cost
    model = reading.model_returned or reading.model_requested
    return price(book, reading.provider, model, reading.usage, observation.end_us, reading.context)
