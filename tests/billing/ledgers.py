"""Ledgers for the tests of billing: entries as they are booked, late ones, and ones that are rated again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry, entry_id
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import microseconds
from tests.ledger.build import tenant

__all__ = ["DAY_US", "FIRST_US", "HOUR_US", "Booking", "entry", "post"]

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
FIRST_US: Final = microseconds("2026-11-20T00:00:00Z")


def entry(
    charge: int,
    at_us: int,
    who: str | None = "acme",
    amount: int = 3_500_000_000_000_000,
    *,
    revision: int = 0,
    calls: int = 1,
    tokens: tuple[int, int] = (1_000, 100),
    currency: str = "USD",
    **labels: Any,
) -> Entry:
    """An entry of a charge; of a revision the difference."""
    charge_id = f"{charge:032x}"
    return Entry(
        seq=0,
        id=entry_id(charge_id, revision, 0),
        charge_id=charge_id,
        revision=revision,
        cause="charged" if not revision else "rerated",
        cause_id=None,
        occurred_us=at_us,
        booked_us=at_us + 10_000_000,
        attribution=tenant(who, **labels),
        service="shop",
        provider="openai",
        model="gpt-4o",
        operation="chat",
        reason=None,
        quality="reported",
        calls=calls,
        unpriced=0,
        usage={"input": tokens[0], "output": tokens[1]},
        lines=(),
        amount=amount,
        currency=currency,
        book=None,
    )


def post(home: Path, entries: Iterable[Entry]) -> None:
    """Book entries in a ledger, which is made if it is not there."""
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.entries.append(list(entries))


class Booking:
    """Calls of many tenants at random, of which some come late and some are rated again later.

    Args:
        tenants: their ids.
        seed: of chance.
    """

    def __init__(self, tenants: Sequence[str], seed: int = 1) -> None:
        self._tenants, self._random = tenants, random.Random(seed)
        self._booked: list[Entry] = []

    def calls(self, count: int, from_us: int, to_us: int) -> list[Entry]:
        """New calls in [from, to)."""
        made = [self._call(from_us, to_us) for _ in range(count)]
        self._booked += made
        return made

    def _call(self, from_us: int, to_us: int) -> Entry:
        return entry(
            len(self._booked) + self._random.getrandbits(90) + 1,
            self._random.randrange(from_us, to_us),
            self._random.choice(self._tenants),
            self._random.randrange(1, 10**16),
            tokens=(self._random.randrange(5_000), self._random.randrange(900)),
        )

    def rated_again(self, count: int) -> list[Entry]:
        """Differences of charges that were booked before, up and down."""
        changed: list[Entry] = []
        for place in self._random.sample(range(len(self._booked)), min(count, len(self._booked))):
            old = self._booked[place]
            revision = old.revision + 1
            change: dict[str, Any] = {
                "id": entry_id(old.charge_id, revision, 0),
                "revision": revision,
                "cause": "rerated",
                "calls": 0,
                "usage": {},
                "amount": self._random.randrange(-(10**14), 10**14),
            }
            self._booked[place] = old._replace(**change)
            changed.append(self._booked[place])
        return changed
