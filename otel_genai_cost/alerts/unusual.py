"""Who spends more than usual, as of the last hour that is over: the rules of `genai-cost anomalies`, said once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from otel_genai_cost.alerts.outbox import Outbox
from otel_genai_cost.ledger.projections.spending import HOUR_US, KEPT_H
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.alert import Alert
from otel_genai_cost.limits.exceeded import QUIET_H
from otel_genai_cost.limits.notice import Notice
from otel_genai_cost.limits.unusual import Unusual
from otel_genai_cost.pricing.money import format_money

__all__ = ["UnusualSpending"]

_SETTLED_US: Final = 120_000_000
"""So long after its end an hour is looked at: its last calls are booked by then."""

_LATELY_H: Final = 24
"""What was booked late, or while nobody looked, is still said if its hour is in the last day."""

_AT_ONCE: Final = 500
"""Tenants whose weeks are in memory together."""

_Spent = Mapping[str, Mapping[str | None, Mapping[int, int]]]
"""Atto by currency, tenant and hour."""


class UnusualSpending:
    """Looks when an hour is over.

    Args:
        outbox: where it looks.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._looked_h: int | None = None

    async def found(self, now_us: int) -> list[Notice]:
        """What is to be said now; nothing if that was looked for in this hour.

        Args:
            now_us: the time, unix microseconds.
        """
        end_h = (now_us - _SETTLED_US) // HOUR_US
        if end_h == self._looked_h:
            return []
        begun = await self._outbox.ask(lambda ledger: _begun(ledger, end_h))
        if begun is None:
            return []
        rules, spenders, said = begun
        found: list[Alert] = []
        for n in range(0, len(spenders), _AT_ONCE):
            read = partial(_spent, names=spenders[n : n + _AT_ONCE], end_h=end_h)
            spent = await self._outbox.ask(read)
            if spent is None:
                return []
            found += await asyncio.to_thread(_alerts, rules, spent, end_h)
        self._looked_h = end_h
        return [_notice(one) for one in sorted(found) if not _is_said(one, said)]


_Begun = tuple[Mapping[str, Unusual], Sequence[str | None], Sequence[Notice]]
"""The rules by currency, who may have broken them lately, and what was said before."""


def _begun(ledger: Ledger, end_h: int) -> _Begun:
    together = ledger.spending.together(end_h - KEPT_H, end_h)
    rules = {
        currency: Unusual(spent, currency, end_h * HOUR_US) for currency, spent in together.items()
    }
    since = end_h - _LATELY_H - QUIET_H
    said = ledger.notices.since_us("anomaly", since * HOUR_US)
    return rules, ledger.spending.spenders(since, end_h), said


def _spent(ledger: Ledger, names: Sequence[str | None], end_h: int) -> _Spent:
    return ledger.spending.of(names, end_h - KEPT_H, end_h)


def _alerts(rules: Mapping[str, Unusual], spent: _Spent, end_h: int) -> list[Alert]:
    """Those of the last day."""
    return list(_of_all(rules, spent, (end_h - _LATELY_H) * HOUR_US))


def _of_all(rules: Mapping[str, Unusual], spent: _Spent, since_us: int) -> Iterator[Alert]:
    for currency, tenants in spent.items():
        for tenant, hours in tenants.items():
            if currency in rules:
                yield from (
                    one for one in rules[currency].of(tenant, hours) if one.at_us > since_us
                )


def _is_said(alert: Alert, said: Sequence[Notice]) -> bool:
    """Whether its episode was said, though it begins elsewhere by what was booked or corrected since."""
    return any(
        (one.facts.get("scope"), one.facts.get("rule"), one.facts.get("currency"))
        == (alert.scope, alert.rule, alert.currency)
        and abs(one.at_us - alert.at_us) <= QUIET_H * HOUR_US
        for one in said
    )


def _notice(alert: Alert) -> Notice:
    """To the team alone: what a tenant costs is no tenant's to know."""
    facts = {
        "scope": alert.scope,
        "rule": alert.rule,
        "window_h": alert.window_h,
        "currency": alert.currency,
        "side": "cost",
        "observed": format_money(alert.observed),
        "expected": format_money(alert.expected),
    }
    key = f"anomaly|{alert.rule}|{alert.scope}|{alert.currency}|{alert.at_us}"
    return Notice("anomaly", key, alert.scope.partition("=")[2], "team", alert.at_us, facts)
