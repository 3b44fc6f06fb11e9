"""The view's memory when it is full, settling with few and with many spans a response, and how much a ledger takes."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.metering.recent import COUNT_LIMIT, Recent
from tests.bench.ledger import fill
from tests.bench.measure import Result, of_aim, of_budget
from tests.ledger.build import observe

_OBSERVATIONS: Final = 5_000
_CHARGES: Final = 20_000
_ROUNDS: Final = 5


def settlement() -> Iterator[Result]:
    """`recent` at its bound, settle at 1 and at 50 duplicates a response, the ledger's size."""
    yield _recent()
    yield _settled(1, 20_000)
    yield _settled(50, 10_000)
    yield _size()


def _recent() -> Result:
    """A note while 4,096 responses are remembered, each of them below three spans."""
    recent, times_us = Recent(), list[float]()
    notes = [
        observe(
            n + 1,
            trace=n,
            above=(10**9 + n, 2 * 10**9 + n, 3 * 10**9 + n // 8),
            response_id=f"chatcmpl-{n}",
            tokens=(n % 900, n % 70),
        )
        for n in range(2 * COUNT_LIMIT)
    ]
    for one in notes[:COUNT_LIMIT]:
        recent.note(one)
    part = COUNT_LIMIT // 16
    for at in range(COUNT_LIMIT, 2 * COUNT_LIMIT, part):
        started_s = time.process_time()
        for one in notes[at : at + part]:
            recent.note(one)
        times_us.append((time.process_time() - started_s) / part * 1e6)
    assert recent.evicted >= COUNT_LIMIT // 2
    times_us.sort()
    noise = times_us[-2] / times_us[1] - 1
    return of_budget(
        "recent at its bound, a response", statistics.median(times_us), 15, "us", "<= 1.00", noise
    )


def _settled(duplicates: int, aim: int) -> Result:
    """Observations settled a second; each response is told of by that many spans more, one above the other."""
    rates = sorted(_rate(_told(duplicates)) for _ in range(_ROUNDS))
    name = f"observations settled a second, {duplicates} duplicate(s) a response"
    return of_aim(name, statistics.median(rates), aim, "1/s", ">= 1.00", rates[-1] / rates[0] - 1)


def _rate(observations: list[Observation]) -> float:
    started_s = time.process_time()
    verdicts = settle(observations).verdicts
    rate = len(observations) / (time.process_time() - started_s)
    assert len(verdicts) < len(observations)
    return rate


def _told(duplicates: int) -> list[Observation]:
    spans = itertools.count(1)
    found: list[Observation] = []
    for n in range(_OBSERVATIONS // (1 + duplicates)):
        above: tuple[int, ...] = ()
        for depth in range(1 + duplicates):
            span = next(spans)
            one = observe(
                span,
                trace=n,
                above=above[:64],
                start_s=n,
                end_s=n + 3,
                scope=f"scope-{depth % 3}",
                tokens=(n, 5),
                response_id=f"chatcmpl-{n}",
            )
            found.append(one._replace(end_us=one.end_us - 1_000 * depth))
            above = (span, *above)
    return found


def _size() -> Result:
    """Megabytes for a million charges of one observation each, evidence included."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home / "journal", 0)
        done = ship(home, [home / "journal"], drain=True)
        size_mb = (home / LEDGER_FILE).stat().st_size / 1e6
    per_million = size_mb / done.entries * 1_000_000
    assert done.entries == _CHARGES
    return of_budget("ledger of a million charges", per_million, 4_000, "MB", "<= 1.00", 0.0)
