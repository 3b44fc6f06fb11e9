"""How fast charges are rated again: each with another price, so that every one is booked; and with the same."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.layers import load_layers
from tests.bench.ledger import OBSERVATIONS, fill
from tests.bench.measure import Result, of_budget
from tests.pricing.books import price_file

_GOAL: Final = 300_000
_OWN: Final = price_file(
    "gpt-4o-2024-08-06",
    "input = 2.6\ncache_read = 1.25\noutput = 10",
    recorded_at="2026-11-25T00:00:00Z",
)


def rerating() -> Iterator[Result]:
    """Charges a minute of CPU time, on one core."""
    changed: list[float] = []
    same: list[float] = []
    for seed in range(3):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            fill(home / "journal", seed)
            ship(home, [home / "journal"], drain=True)
            (home / "own.toml").write_text(_OWN)
            other = load_layers(None, [home / "own.toml"])
            changed.append(_a_minute(home, other, OBSERVATIONS))
            same.append(_a_minute(home, other, 0))
    yield _result("charges rated again and booked a minute", changed)
    yield _result("charges rated again without a change", same)


def _a_minute(home: Path, book: Book, differences: int) -> float:
    ledger, books = Ledger(home / LEDGER_FILE), Books([home / "journal"])
    started_s = time.process_time()
    found = sum(1 for _ in rerate(ledger, book, books, now_us=1))
    took_s = time.process_time() - started_s
    ledger.close()
    assert found == differences
    return OBSERVATIONS / took_s * 60


def _result(name: str, rates: list[float]) -> Result:
    noise = max(rates) / min(rates) - 1
    return of_budget(name, statistics.median(rates), _GOAL, "1/min", ">= 1.00", noise)
