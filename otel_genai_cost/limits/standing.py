"""How a budget stands in a period: what is booked and held, and which marks are crossed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from otel_genai_cost.limits.budget import SOFT, Budget
from otel_genai_cost.limits.period import ALWAYS
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["Standing", "standing_record"]


class Standing(NamedTuple):
    """A budget in one of its periods, for one key. Money is atto, times are unix microseconds.

    Attributes:
        budget: the version that holds.
        key: of the counter; of a scope with `*` that has none yet, the scope as it is written.
        period_from_us, period_to_us: the period.
        booked: the sum of entries.
        held: the sum of what may still be booked: open holds.
        crossed: names of the marks that are crossed, from low to high.
        episode: how often one was crossed at most.
        calls, unpriced: how many are in `booked`, and how many of them have no price.
        unconverted: what is booked in currencies that have no exchange rate, by currency.
        late_entries: how many entries were booked after the period's end.
    """

    budget: Budget
    key: str
    period_from_us: int
    period_to_us: int
    booked: int = 0
    held: int = 0
    crossed: tuple[str, ...] = ()
    episode: int = 0
    calls: int = 0
    unpriced: int = 0
    unconverted: Mapping[str, int] = {}
    late_entries: int = 0

    @property
    def committed(self) -> int:
        """What is spent, or may be."""
        return self.booked + self.held


def standing_record(standing: Standing) -> dict[str, Any]:
    """A standing as JSON: money is a decimal string; all time has no beginning and no end.

    Args:
        standing: what is shown.
    """
    budget = standing.budget
    return {
        "budget": budget.id,
        "version": budget.version,
        "scope": standing.key,
        "period": budget.period,
        "period_from": _instant(standing.period_from_us),
        "period_to": _instant(standing.period_to_us),
        "zone": budget.zone,
        "side": budget.side,
        "currency": budget.currency,
        "soft": _text(budget.soft),
        "hard": _text(budget.hard),
        "booked": format_money(standing.booked),
        "held": format_money(standing.held),
        "committed": format_money(standing.committed),
        "percent": budget.percent(standing.committed),
        "crossed": [int(name) for name in standing.crossed if name != SOFT],
        "soft_crossed": SOFT in standing.crossed,
        "episode": standing.episode,
        "calls": standing.calls,
        "unpriced": standing.unpriced,
        "unconverted": {
            currency: format_money(amount) for currency, amount in standing.unconverted.items()
        },
        "late_entries": standing.late_entries,
    }


def _instant(us: int) -> str | None:
    return None if us in ALWAYS else rfc3339(us)


def _text(amount: int | None) -> str | None:
    return None if amount is None else format_money(amount)
