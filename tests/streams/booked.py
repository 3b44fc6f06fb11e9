"""What the SQLite ledger books of a stream of observations, settled second by second, as who reads a stream does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import RateAgain, settle_waiting
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.build import SECOND_US
from tests.ledger.journalled import no_other_book

__all__ = ["booked", "settled_by_second"]

_RIPE_AFTER_US: Final = 10 * SECOND_US
_FOREVER_US: Final = 1 << 62
_ALL: Final = 1 << 30


def booked(home: Path, observations: Iterable[Observation]) -> Iterator[Entry]:
    """The entries of a ledger that is made for it.

    Args:
        home: where.
        observations: in the order of their ends.
    """
    home.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(home / LEDGER_FILE)
    try:
        settled_by_second(ledger, observations, no_other_book)
        yield from ledger.entries.since(0)
    finally:
        ledger.close()


def settled_by_second(
    ledger: Ledger, observations: Iterable[Observation], rate_again: RateAgain
) -> None:
    """Settle observations, all of them at last.

    Args:
        ledger: in which.
        observations: in the order of their ends.
        rate_again: finds the cost of an observation by another book.
    """
    second, come = 0, list[Observation]()
    for one in observations:
        if come and one.end_us > second * SECOND_US:
            _round(ledger, come, second * SECOND_US, rate_again)
            come = []
        second = second if come else -(-one.end_us // SECOND_US)
        come.append(one)
    _round(ledger, come, second * SECOND_US, rate_again)
    _settle_until(ledger, _FOREVER_US, rate_again)


def _round(ledger: Ledger, come: list[Observation], now_us: int, rate_again: RateAgain) -> None:
    """What had ripened before they came is settled without them."""
    _settle_until(ledger, now_us, rate_again)
    with ledger.transaction():
        ledger.observations.ingest([to_record(one) for one in come], now_us, _RIPE_AFTER_US)


def _settle_until(ledger: Ledger, until_us: int, rate_again: RateAgain) -> None:
    """Settle what is ripe before that, second by second."""
    while (ripe_us := ledger.observations.ripe_since()) is not None:
        at_us = -(-ripe_us // SECOND_US) * SECOND_US
        if at_us >= until_us:
            break
        with ledger.transaction():
            settle_waiting(ledger, at_us, at_us, rate_again, _ALL)
