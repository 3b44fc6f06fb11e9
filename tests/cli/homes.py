"""Ledgers for the command line's tests: a few days of calls, and names that bite."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_exporters.duckdb import DuckDBSink
from tests.ledger.build import SECOND_US, START_US, observe, tenant
from tests.ledger.journalled import written

__all__ = ["OSC", "days", "held", "home_of", "seconds_of", "week"]

OSC: Final = "evil\x1b]0;owned\x07\x9b31m\u202egpj\nCharge forged"
"""A model's name with an operating system command, a C1 control sequence, an override of the direction of writing and
a line break."""


def seconds_of(instant: str) -> int:
    """When a call ends, as `observe` counts."""
    return (microseconds(instant) - START_US) // SECOND_US


def home_of(folder: Path, observations: Sequence[Observation]) -> Path:
    """A ledger of these observations, drained."""
    written(folder / "journal", observations)
    ship(folder, [folder / "journal"], drain=True, sinks=[DuckDBSink(folder / "charges.duckdb")])
    return folder


@contextmanager
def held(folder: Path) -> Generator[Path]:
    """A ledger whose store stays open, to be read, until the end of the block: opening it once more in this process
    takes nothing then, and longer than most reports otherwise."""
    with duckdb.connect(folder / "charges.duckdb", read_only=True):
        yield folder


def week(folder: Path) -> Path:
    """Five tenants' calls of gpt-4o (0.0035 USD each, tenant n has n) and of gpt-4o-mini; one with a leaf that has no
    rate, one of a model nobody knows, one whose name bites, one of nobody; all on 2026-11-20 from 10:00."""
    begin = seconds_of("2026-11-20T10:00:00Z")
    found: list[Observation] = []
    for n in range(1, 6):
        for call in range(n):
            at_s = begin + 100 * len(found)
            found.append(
                observe(
                    len(found) + 1,
                    trace=len(found) + 1,
                    start_s=at_s,
                    end_s=at_s + 1,
                    attribution=tenant(f"t{n}", feature="search" if call % 2 else "chat"),
                    response_id=f"chatcmpl-{n}-{call}",
                )
            )
    odd = [
        {"model": "gpt-4-0613", "parts": {"cache_read": 512}, "response_id": "chatcmpl-twice"},
        {"model": "house-model", "response_id": "chatcmpl-twice"},
        {"model": OSC},
        {"model": "gpt-4o-mini-2024-07-18", "attribution": tenant(None)},
    ]
    for place, more in enumerate(odd, start=len(found) + 1):
        at_s = begin + 100 * place
        found.append(observe(place, trace=place, start_s=at_s, end_s=at_s + 1, **more))  # type: ignore[arg-type]
    return home_of(folder, found)


def days(folder: Path, count: int) -> Path:
    """A ledger of a call a day from 2026-10-18 on, 0.0035 USD each, each of the next of eleven tenants."""
    first = seconds_of("2026-10-18T10:00:00Z")
    return home_of(
        folder,
        [
            observe(
                n + 1,
                trace=n + 1,
                start_s=first + n * 86_400,
                end_s=first + n * 86_400 + 1,
                attribution=tenant(f"tenant-{n % 11}"),
            )
            for n in range(count)
        ],
    )
