"""Ledgers for looking at: three hundred tenants over thirteen months, and one whose every name bites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.tenancy.attribution import Attribution
from tests.cli.homes import home_of, seconds_of
from tests.ledger.build import observe, tenant

__all__ = ["HOSTILE", "LONG", "MONTHS", "hostile", "many"]

MONTHS: Final = (
    *(f"2025-{month:02}" for month in (11, 12)),
    *(f"2026-{month:02}" for month in range(1, 12)),
)
_TENANTS: Final = 300
_CALLS: Final = 3
_CALLS_OF_GREAT: Final = 24
_GREAT: Final = 10
"""Calls of each tenant in each month, and of those that cost most."""

_MODELS: Final = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "o4-mini-2025-04-16")
_FEATURES: Final = ("search", "chat", "summary", "export")

LONG: Final = "w" * 10_000
HOSTILE: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "'\"><svg/onload=alert(3)>",
    "\u202egpj.exe\u2066\u200f rtl \u05d0\u05d1",
    "=cmd|' /C calc'!A0",
    "{{ 7 * 7 }}{% raw %}",
    "a/b?c=d&e#f%2e..",
    "javascript:alert(4)",
    "\x1b]0;owned\x07 \u2028 line",
    LONG,
)


def many(folder: Path) -> Path:
    """A ledger of three hundred tenants over thirteen months. Some calls have no price, some are nobody's."""
    return home_of(folder, list(_calls()))


def _calls() -> Iterator[Observation]:
    number = 0
    for place, month in enumerate(MONTHS):
        begin = seconds_of(f"{month}-01T00:00:00Z")
        for who in range(_TENANTS):
            for call in range(_CALLS_OF_GREAT if who < _GREAT else _CALLS):
                number += 1
                at_s = begin + (number * 7_919) % (27 * 86_400)
                odd = number % 211 == 0
                whose = tenant(
                    f"tenant-{who:03}",
                    feature=_FEATURES[number % 4],
                    action=f"act-{number // 5}",
                    agent="planner" if number % 2 else "writer",
                )
                yield observe(
                    number,
                    trace=number // 5,
                    start_s=at_s - 2,
                    end_s=at_s,
                    tokens=(
                        300 + 60_000 // (who + 3) + 400 * place + 101 * call,
                        40 + number % 700,
                    ),
                    parts={"cache_read": 64} if number % 3 else None,
                    model="house-model" if odd else _MODELS[(who + call) % 3],
                    response_id=f"r-{number}",
                    attribution=Attribution() if number % 401 == 0 else whose,
                )


def hostile(folder: Path) -> Path:
    """A ledger in which tenants, features, models and actions are called what breaks pages."""
    begin = seconds_of("2026-11-20T10:00:00Z")
    return home_of(
        folder,
        [
            observe(
                number + 1,
                trace=number // 2 + 1,
                start_s=begin + number,
                end_s=begin + number + 1,
                model=HOSTILE[number // 2] if number % 2 else "gpt-4o-2024-08-06",
                response_id=f"r-{number}",
                attribution=tenant(
                    HOSTILE[number // 2], feature=HOSTILE[number // 2], action=HOSTILE[number // 2]
                ),
            )
            for number in range(2 * len(HOSTILE))
        ],
    )
