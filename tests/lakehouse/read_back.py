"""What a reader is to find in a table, and what it found, as values that can be compared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeAlias

from otel_genai_cost.ledger.day_sums import day_sums
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.pricing.money import format_money
from tests.exporters.entries import entries, with_amount

__all__ = ["ByDay", "as_text", "booked", "by_day"]

_DAY_US: Final = 86_400_000_000
ByDay: TypeAlias = dict[str, tuple[int, str]]
"""How many entries a day has, and their sum as decimal text."""


def booked() -> list[Entry]:
    """Entries on both sides of midnight, of amounts whose sums no double holds."""
    return [
        with_amount(one, (-1) ** one.seq * (10**20 + one.seq))._replace(
            occurred_us=one.occurred_us + one.seq * _DAY_US // 7
        )
        for one in entries(30)
    ]


def by_day(entries: list[Entry]) -> ByDay:
    """What a reader is to find."""
    sums = day_sums(entries, len(entries))
    return {f"{one.day}": (one.entries, format_money(one.amount)) for one in sums}


def as_text(rows: Any) -> ByDay:
    """What a reader found: rows of day, count and sum, which has no zeros at its end then, as ours has none."""
    return {
        str(day): (int(count), format(Decimal(total).normalize(), "f"))
        for day, count, total in rows
    }
