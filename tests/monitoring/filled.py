"""A ledger with everything that a dashboard may have to show: two currencies, hours that come twice, a month's last
microsecond, what has no price, what is nobody's, a correction, and names that bite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_exporters.duckdb import DuckDBSink
from tests.ledger.build import BOOK, START_US, observe, tenant

__all__ = ["HOSTILE", "fill"]

HOSTILE: Final = "O'Brien \"& Söhne\", '; DROP TABLE entries; -- <script>alert(1)</script>\n\\N"
_MODELS: Final = (
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "o4-mini-2025-04-16",
    "house-model",
)
_LAST: Final = datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc)
_TWICE: Final = datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc)
"""In Berlin it is half past two, and an hour later it is again."""


def _second(instant: datetime) -> float:
    return instant.timestamp() - START_US / 1_000_000


def _in_euros(one: Observation) -> Observation:
    return one._replace(cost=one.cost._replace(row=one.cost.row._replace(currency="EUR")))


def _calls() -> Iterator[Observation]:
    whose = [tenant(f"t-{number:02}", feature=f"f-{number % 3}") for number in range(14)]
    whose += [Attribution(), tenant(HOSTILE, feature=HOSTILE)]
    for number in range(1, 300):
        seconds = int(_second(datetime(2026, 9, 20, tzinfo=timezone.utc))) + number * 17_111
        one = observe(
            number,
            trace=number,
            start_s=seconds,
            end_s=seconds + 1,
            tokens=(1_000 + 37 * number, 10 + number),
            model=_MODELS[number % 4 if number % 3 else 0],
            response_id=f"r-{number}",
            attribution=whose[number * 7 % len(whose)],
        )
        yield one if number % 11 else _in_euros(one)
    for number, instant in enumerate((_TWICE.replace(hour=0), _TWICE.replace(hour=1)), 400):
        at = int(_second(instant))
        yield observe(number, trace=number, start_s=at, end_s=at + 1, attribution=whose[0])
    at_us = round(_LAST.timestamp() * 1_000_000)
    last = observe(500, trace=500, attribution=whose[1])
    yield last._replace(start_us=at_us - 1_000_000, end_us=at_us)
    yield observe(501, trace=501, attribution=whose[2])._replace(start_us=at_us, end_us=at_us + 1)


def fill(home: Path) -> Path:
    """Make it, and book it."""
    calls = list(_calls())
    again = calls[3]._replace(
        id=f"{3:032x}",
        span_id=f"{1003:016x}",
        scope="gateway",
        attribution=tenant("t-00", "for_tenant"),
    )
    store_book(home / "journal", BOOK.digest, BOOK.lock)
    for part in (calls, [again]):
        journal = Journal([home / "journal"])
        for one in part:
            journal.append(to_record(one))
        journal.close()
        ship(home, [home / "journal"], drain=True, sinks=[DuckDBSink(home / "charges.duckdb")])
    return home
