"""What the SQLite ledger books of a stream of observations, settled second by second, as who reads a stream does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.build import SECOND_US

__all__ = ["booked"]

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
        second, come = 0, list[Observation]()
        for one in observations:
            if come and one.end_us > second * SECOND_US:
                _round(ledger, come, second * SECOND_US)
                come = []
            second = second if come else -(-one.end_us // SECOND_US)
            come.append(one)
        _round(ledger, come, second * SECOND_US)
        _settle(ledger, _FOREVER_US, second * SECOND_US)
        yield from ledger.entries.since(0)
    finally:
        ledger.close()


def _round(ledger: Ledger, come: list[Observation], now_us: int) -> None:
    """What had ripened before they came is settled without them."""
    while (ripe_us := ledger.observations.ripe_since()) is not None:
        at_us = -(-ripe_us // SECOND_US) * SECOND_US
        if at_us >= now_us:
            break
        _settle(ledger, at_us, at_us)
    with ledger.transaction():
        ledger.observations.ingest([to_record(one) for one in come], now_us, _RIPE_AFTER_US)


def _settle(ledger: Ledger, ripe_us: int, now_us: int) -> None:
    with ledger.transaction():
        settle_waiting(ledger, ripe_us, now_us, lambda _, __: None, _ALL)
