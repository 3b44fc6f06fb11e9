"""A ledger that has been corrected: some thousand calls of today and yesterday, booked, and re-rated twice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.load import load_book
from tests.ledger.build import BOOK, SECOND_US, START_US, observe, tenant
from tests.pricing.books import price_file

__all__ = ["corrected"]

_TENANTS: Final = 15
_FINE: Final = "input = 0.000123456789\noutput = 9.99999999"
"""Digits that no float holds."""


def corrected(home: Path, calls: int) -> Ledger:
    """The ledger of a home that is made here: each call is charged, reversed and charged anew, of some twice.

    Args:
        home: an empty folder.
        calls: how many; half of them of the last three minutes, the others of the day before.
    """
    journals = home / "journal"
    journal = Journal([journals])
    now_s = int(time.time()) - START_US // SECOND_US
    for n in range(calls):
        ago_s = 5 + n % 180 if n % 2 else 90_000 + 7 * n
        who = tenant(f"tenant-{(n + n // 7) % _TENANTS}", plan="pro", feature=f"feature-{n % 3}")
        observed = observe(
            n + 1,
            trace=n + 1,
            start_s=now_s - ago_s - 1,
            end_s=now_s - ago_s,
            tokens=(1_000 + 37 * n % 9_001, 10 + n % 777),
            attribution=who,
        )
        journal.append(to_record(observed))
    journal.close()
    store_book(journals, BOOK.digest, BOOK.lock)
    ship(home, [journals], drain=True)
    ledger = Ledger(home / LEDGER_FILE)
    prices = home / "prices.toml"
    prices.write_text(price_file("gpt-4o-2024-08-06", _FINE), encoding="utf-8")
    for number, book in enumerate((load_book(prices), BOOK, load_book(prices))):
        for _ in rerate(ledger, book, Books([journals]), now_us=time.time_ns() // 1000 + number):
            pass
    return ledger
