"""Calls in a node's journal, and what a ledger has made of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Cost
from tests.ledger.build import BOOK, observe

__all__ = ["booked", "calls", "charged", "no_other_book", "record_of", "settled", "written"]


def calls(count: int, first: int = 1) -> list[Observation]:
    """Two spans for each call: the client's and a framework's above it."""
    found: list[Observation] = []
    for n in range(first, first + count):
        tokens = n + 10, 5
        found.append(
            observe(2 * n, trace=n, above=(2 * n + 1,), start_s=n, end_s=n + 1, tokens=tokens)
        )
        found.append(
            observe(2 * n + 1, trace=n, start_s=n, end_s=n + 2, tokens=tokens, scope="framework")
        )
    return found


def written(folder: Path, observations: Iterable[Observation]) -> None:
    """Write a journal to its end, with the book that they are priced by.

    Args:
        folder: the journal's.
        observations: what it has.
    """
    journal = Journal([folder])
    for one in observations:
        journal.append(to_record(one))
    journal.close()
    store_book(folder, BOOK.digest, BOOK.lock)


def booked(home: Path) -> list[Entry]:
    """The entries of a ledger."""
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    entries = list(ledger.entries)
    ledger.close()
    return entries


def charged(home: Path) -> dict[str, tuple[int, int]]:
    """What each charge of a ledger comes to, and how many calls it is."""
    found: dict[str, tuple[int, int]] = {}
    for one in booked(home):
        amount, count = found.get(one.charge_id, (0, 0))
        found[one.charge_id] = amount + one.amount, count + one.calls
    return found


def record_of(observation: Observation) -> dict[str, Any]:
    """An observation as it is read from a journal."""
    record: dict[str, Any] = decode(encode(to_record(observation)))
    return record


def no_other_book(observation: Observation, digest: str) -> Cost | None:
    """Of books that price what the node's own did not, there is none."""
    return None


def settled(ledger: Ledger, observations: Iterable[Observation], now_us: int) -> None:
    """Keep observations, settle all that is there, and book it, in one transaction.

    Args:
        ledger: of which.
        observations: that come to it.
        now_us: the time.
    """
    with ledger.transaction():
        ledger.ingest([record_of(one) for one in observations], now_us, 0)
        while settle_waiting(ledger, 1 << 62, now_us, no_other_book).waiting:
            pass
