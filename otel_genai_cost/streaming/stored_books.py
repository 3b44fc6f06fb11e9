"""Price books that workers share: those that came with the topic or were rated with, and the wheel's."""

from __future__ import annotations

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.rerating.books import find_book, rated_with
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.streaming.partition_store import PartitionStore

__all__ = ["StoredBooks"]


class StoredBooks:
    """Books by digest, in the store that has everything of the workers.

    Args:
        store: the workers'.
    """

    def __init__(self, store: PartitionStore) -> None:
        self._store = store
        self._known: dict[str, Book] = {}

    def keep(self, book: Book) -> None:
        """Keep a book, so that what it priced can be recomputed."""
        if book.digest not in self._known:
            self._store.keep_book(_whole(book.digest), book.lock)
            self._known[book.digest] = book

    def rate_again(self, observation: Observation, digest: str) -> Cost | None:
        """The cost of an observation with the book of that digest; None as long as that has not come."""
        found = self._get(digest)
        return None if found is None else rated_with(observation, found)

    def _get(self, digest: str) -> Book | None:
        if digest not in self._known:
            found = find_book(digest, self._get, self._store.book, "the book {}")
            if found is not None:
                self._known[digest] = found
        return self._known.get(digest)


def _whole(digest: str) -> str:
    """Of the book that one as known on a date is of."""
    return digest.partition("@")[0]
