"""An alert, as the rules of `anomalies` give it and as others script against it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from otel_genai_cost.limits.exceeded import Rule
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import ATTO, divide_half_even, format_money

__all__ = ["Alert", "alert_record"]

_PLACES: Final = 3
_UNIT: Final = ATTO // 10**_PLACES


class Alert(NamedTuple):
    """Somebody spends more than is explained.

    Attributes:
        at_us: when it could be known: the end of the hour, unix microseconds.
        rule: that noticed.
        scope: who, `tenant=NAME`; of a budget its counter, `organisation` or `tenant=NAME,feature=NAME`.
        window_h: of how many hours the sums are.
        observed: atto that were spent in the window.
        expected: atto that were the most before, that are usual, or that a budget allows.
        currency: of both.
        budget: the id of the one that burns.
    """

    at_us: int
    rule: Rule
    scope: str
    window_h: int
    observed: int
    expected: int
    currency: str
    budget: str | None = None


def alert_record(alert: Alert) -> dict[str, Any]:
    """An alert as others script against it; `ratio` is null where nothing was expected."""
    ratio = None
    if alert.expected > 0:
        ratio = format_money(divide_half_even(alert.observed * 10**_PLACES, alert.expected) * _UNIT)
    return {
        "at": rfc3339(alert.at_us),
        "rule": alert.rule,
        "scope": alert.scope,
        "window_h": alert.window_h,
        "observed": format_money(alert.observed),
        "expected": format_money(alert.expected),
        "ratio": ratio,
        "currency": alert.currency,
        "budget": alert.budget,
    }
