"""Settlement and posting of one key of a stream: the ledger's own functions, over a small port of state.

What decides which observations are one response, and what is posted of that, is what a ledger on one machine runs
(`ledger.posting.run`, `ledger.rerating.rerate`); here is only what it asks for, and when. So the net of every charge is
the ledger's, to the last digit, whatever the order and however often anything comes, as long as everything that may be
one response has one key.

Who runs it hands over the time, and makes the state's changes one transaction with the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from zlib import crc32

from otel_genai_cost.journal.record import from_record
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import (
    RIPE_AFTER_US,
    RateAgain,
    settle_waiting,
    unlink,
)
from otel_genai_cost.ledger.rerating.books import BooksKept
from otel_genai_cost.ledger.rerating.rerate import rerate
from otel_genai_cost.ledger.storage.observation_rows import says_which
from otel_genai_cost.ledger.storage.rows import DAMAGE
from otel_genai_cost.ledger.storage.validate import is_valid
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.streaming.keyed_entries import KeyedEntries
from otel_genai_cost.streaming.keyed_rows import (
    KeyedEvidence,
    KeyedObservations,
    Marks,
)
from otel_genai_cost.streaming.state import State
from otel_genai_cost.streaming.windows import WINDOWS, Forgetting, Windows

__all__ = ["Keyed", "look_us", "ripe_us", "terms_digest"]

_FOREVER_US: Final = 1 << 62


class _NoHolds:
    """Holds are the gate's, beside its ledger."""

    def end(self, charge_ids: Iterable[str]) -> None:
        """Nothing is held."""


class _KeyedLedger:
    """One key, as settling, posting and rating again see a ledger."""

    def __init__(self, state: State, contracts: Contracts) -> None:
        self.marks = Marks(state)
        self.observations = KeyedObservations(state, self.marks)
        self.candidates = KeyedEvidence(state, self.marks, self.observations)
        self.entries = KeyedEntries(state, self.marks, self.observations)
        self.holds = _NoHolds()
        self.contracts = contracts

    @property
    def contracts_digest(self) -> str | None:
        return self.contracts.digest

    def bill_by(self, contracts: Contracts) -> None:
        """From now on, as far as this object is concerned: who runs it hands the contracts over."""
        self.contracts = contracts

    def transaction(self) -> AbstractContextManager[None]:
        """It is the caller's."""
        return nullcontext()


class Keyed:
    """One key.

    Args:
        state: what is kept of it.
        rate_again: finds the cost of an observation by another book.
        contracts: what customers agreed; the list prices, if nothing is.
        windows: how long what is kept.
    """

    def __init__(
        self,
        state: State,
        rate_again: RateAgain,
        contracts: Contracts = LIST_PRICES,
        windows: Windows = WINDOWS,
    ) -> None:
        self._ledger = _KeyedLedger(state, contracts)
        self._rate_again, self._windows = rate_again, windows
        self._forgetting = Forgetting(
            windows,
            self._ledger.marks,
            self._ledger.observations,
            self._ledger.candidates,
            self._ledger.entries,
        )

    def expect(self, records: Sequence[Mapping[str, Any]]) -> None:
        """These come next, one by one: what is asked of each is read for all of them at once.

        Args:
            records: as `take` gets them; of those that it will refuse nothing is read.
        """
        self._ledger.observations.expect([one for one in records if says_which(one)])

    def take(self, record: Mapping[str, Any], now_us: int) -> str | None:
        """Keep an observation; an identical copy is ignored.

        Args:
            record: as a journal, or an event, has it.
            now_us: the time of ingestion, unix microseconds.

        Returns:
            Why it is refused: `malformed`, `too_old` or `in_the_future`. None if it is kept, or is there already.
        """
        if not _can_be_settled(record):
            return "malformed"
        end_us, all_us = record["end_us"], self._windows.all_us
        if all_us is not None and abs(now_us - end_us) > all_us:
            return "too_old" if end_us < now_us else "in_the_future"
        kept = {key: value for key, value in record.items() if key != "seq"}
        self._ledger.observations.take(kept, now_us, ripe_us(end_us, now_us))
        return None

    def settle(self, now_us: int, *, drain: bool = False) -> list[Entry]:
        """Settle what is ripe, post it, and forget what the windows no longer hold.

        Args:
            now_us: the time, unix microseconds.
            drain: whether everything is taken for ripe.

        Returns:
            The entries posted.
        """
        by_us = _FOREVER_US if drain else now_us
        while settle_waiting(self._ledger, by_us, now_us, self._rate_again).waiting:
            pass
        self._forgetting.forget(now_us)
        return self._ledger.entries.taken()

    def unlink(self, observation_id: str, now_us: int) -> list[Entry]:
        """Let an observation stand alone from now on; one that is yet to come as well.

        Args:
            observation_id: whole.
            now_us: the time of posting, unix microseconds.

        Returns:
            The entries posted.
        """
        unlink(self._ledger, observation_id, now_us, self._rate_again)
        return self._ledger.entries.taken()

    def rerate(self, book: Book | None, books: BooksKept, now_us: int) -> list[Entry]:
        """Rate every charge of the key again, and bill by the contracts that the key was made with.

        Args:
            book: what to rate with; None keeps the list prices as booked.
            books: where the books that charges name are found.
            now_us: the time of posting, unix microseconds.

        Returns:
            The entries posted.
        """
        for _ in rerate(self._ledger, book, books, now_us=now_us):
            pass
        return self._ledger.entries.taken()

    def rate_by(self, book: Book | None, books: BooksKept, now_us: int) -> list[Entry]:
        """Rate every charge of the key again once, where that was not done by this book and by the contracts that the
        key was made with: after `take`, before `settle`.

        Args:
            book: what to rate with; None keeps the list prices as booked.
            books: where the books that charges name are found.
            now_us: the time of posting, unix microseconds.

        Returns:
            The entries posted.
        """
        marks, terms = self._ledger.marks, terms_digest(book, self._ledger.contracts)
        if marks.is_empty or marks.terms == terms:
            return []
        marks.note_terms(terms)
        return self.rerate(book, books, now_us)

    def post(
        self,
        book: Book | None,
        books: BooksKept,
        unlinked: Iterable[str],
        now_us: int,
        *,
        drain: bool = False,
    ) -> list[Entry]:
        """All there is to post once what came was taken: what was there is rated by these terms before anything changes
        it, then people's decisions, then what is ripe.

        Args:
            book: what to rate with; None keeps the list prices as booked.
            books: where the books that charges name are found.
            unlinked: observations that stand alone from now on.
            now_us: the time, unix microseconds.
            drain: whether everything is taken for ripe.

        Returns:
            The entries posted.
        """
        entries = self.rate_by(book, books, now_us)
        for one in unlinked:
            entries += self.unlink(one, now_us)
        return entries + self.settle(now_us, drain=drain)

    def due_us(self) -> int | None:
        """When `settle` has something to do next (unix microseconds), if nothing comes before; None if never."""
        due = (self._ledger.observations.ripe_from_us(), self._forgetting.due_us())
        return min((us for us in due if us is not None), default=None)


def ripe_us(end_us: int, now_us: int) -> int:
    """When an observation is to be settled (unix microseconds).

    Args:
        end_us: when the call ended, unix microseconds.
        now_us: the time of ingestion, unix microseconds.
    """
    return min(end_us, now_us) + RIPE_AFTER_US


def look_us(key: str, now_us: int, every_us: int) -> int:
    """When a key that rests is looked at next (unix microseconds), whoever asks how often since the last time; keys are
    spread over the time between.

    Args:
        key: of the stream.
        now_us: the time, unix microseconds.
        every_us: from one look to the next.
    """
    own_us = crc32(key.encode("utf-8", "replace")) * every_us >> 32
    return now_us + every_us - (now_us - own_us) % every_us


def terms_digest(book: Book | None, contracts: Contracts) -> str:
    """Stands for a book that charges are rated again with, and for contracts; "" for neither.

    Args:
        book: None for none.
        contracts: what customers agreed.
    """
    return f"{'' if book is None else book.digest} {contracts.digest or ''}".strip()


def _can_be_settled(record: Mapping[str, Any]) -> bool:
    """Whether it says which span it is about, and every part is of the kind that settlement relies on."""
    try:
        return says_which(record) and is_valid(from_record(record))
    except DAMAGE:
        return False
