"""Who spends clearly more than usual: the rules over what each tenant and all together spent, hour by hour. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from otel_genai_cost.limits.alert import Alert
from otel_genai_cost.limits.exceeded import Exceeded, episodes
from otel_genai_cost.limits.hourly import HOUR_US, dense
from otel_genai_cost.limits.record_rule import records
from otel_genai_cost.limits.share_rule import shares, usual_sums

__all__ = ["NOBODY", "Unusual", "alerts_of"]

NOBODY: Final = "unattributed"
"""Stands for calls without a tenant."""


class Unusual:
    """The rules, in one currency.

    Args:
        together: atto that all tenants spent by hour since the epoch; at least one.
        currency: of all.
        last_us: when the last call ended, unix microseconds.
    """

    def __init__(self, together: Mapping[int, int], currency: str, last_us: int) -> None:
        self._first_h, self._end_h = min(together), max(together) + 1
        usual = usual_sums(dense(together, self._first_h, self._end_h), self._first_h)
        self._usual_for_all, self._currency, self._last_us = usual, currency, last_us

    def of(self, tenant: str | None, spent: Mapping[int, int]) -> Iterator[Alert]:
        """The alerts of a tenant, in the order of time.

        Args:
            tenant: None for calls without one.
            spent: atto by hour, of hours in which anything is known of all together; at least one.
        """
        own_h = min(spent)
        of_all = list(
            shares(dense(spent, self._first_h, self._end_h), self._first_h, self._usual_for_all)
        )
        for one in _alerted(records(dense(spent, own_h, self._end_h), own_h), of_all):
            yield Alert(
                at_us=min((one.hour + 1) * HOUR_US, self._last_us),
                rule=one.rule,
                scope=f"tenant={tenant or NOBODY}",
                window_h=one.hours,
                observed=one.observed,
                expected=one.expected,
                currency=self._currency,
            )


def alerts_of(
    tenants: Mapping[str | None, Mapping[int, int]], currency: str, last_us: int
) -> Iterator[Alert]:
    """The alerts of one currency, each tenant's in the order of time.

    Args:
        tenants: atto by hour since the epoch, of each tenant; of at least one something.
        currency: of all.
        last_us: when the last call ended, unix microseconds.
    """
    together = Counter[int]()
    for spent in tenants.values():
        together.update(spent)
    rules = Unusual(together, currency, last_us)
    for tenant, spent in tenants.items():
        yield from rules.of(tenant, spent)


def _alerted(of_tenant: Iterable[Exceeded], of_all: Sequence[Exceeded]) -> list[Exceeded]:
    """One of each episode; and a jump of the whole bill though it comes in one that was told for less."""
    noticed = {one.hour: one for one in (*of_tenant, *of_all)}
    first = (*episodes(noticed[hour] for hour in sorted(noticed)), *episodes(of_all))
    return list(dict.fromkeys(first))
