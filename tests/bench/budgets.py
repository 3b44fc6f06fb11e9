"""What budgets add to the booking: ten and a hundred of as many tenants, and a hundred that count every call."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.budgeting import decide_budgets
from tests.bench.ledger import fill
from tests.bench.measure import Result

_CALLS: Final = 5_000
_ROUNDS: Final = 5
_ZONES: Final = ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York")
_SCOPES: Final[tuple[dict[str, str], ...]] = (
    {},
    {"tenant": "*"},
    {"model": "*"},
    {"tenant": "*", "model": "*"},
)


def budgets() -> Iterator[Result]:
    """Ingesting, settling and booking, in CPU time, with budgets and without, in turn."""
    cases = (
        ("booking with budgets of 10 tenants", _of_tenants(10), "<= 1.15"),
        ("booking with budgets of 100 tenants", _of_tenants(100), "<= 1.15"),
        ("booking with 100 budgets of all calls", _of_all(100), "<= 2.00"),
    )
    for name, written, goal in cases:
        pairs = [(_us(written, seed), _us((), seed)) for seed in range(_ROUNDS)]
        ours, theirs = zip(*pairs, strict=True)
        yield Result(
            name,
            statistics.median(ours),
            statistics.median(theirs),
            "without budgets",
            "us",
            statistics.median(one / other for one, other in pairs),
            goal,
            max(theirs) / min(theirs) - 1,
        )


def _of_tenants(count: int) -> Sequence[dict[str, Any]]:
    """The calls are of fifty tenants."""
    return [_budget(n, {"tenant": f"tenant-{n}"}, "month") for n in range(count)]


def _of_all(count: int) -> Sequence[dict[str, Any]]:
    """No two have the same period and scope."""
    return [_budget(n, _SCOPES[n % 4], "anchored", 1 + n % 25) for n in range(count)]


def _budget(n: int, scope: dict[str, str], period: str, anchor: int | None = None) -> Any:
    return {
        "id": f"budget-{n}",
        "scope": scope,
        "period": period,
        "anchor": anchor,
        "zone": _ZONES[n // 25 % 4],
        "currency": "USD",
        "hard": "1000000",
    }


def _us(written: Sequence[dict[str, Any]], seed: int) -> float:
    """CPU time a call."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home / "journal", seed, _CALLS)
        if written:
            decide_budgets(home / LEDGER_FILE, written, 1)
        ship(home, ())
        started_s = time.process_time()
        done = ship(home, [home / "journal"], drain=True)
        return (time.process_time() - started_s) / done.entries * 1e6
