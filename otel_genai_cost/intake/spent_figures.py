"""What tenants have spent today and this month, as gauges for Prometheus: those who spent most, and all others.

Whoever may read `/metrics` sees who the customers are, so it is asked for. However many tenants there are, the series
are as many as were asked for, and one more, for each currency and period.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.projections.spending import HOUR_US
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.period import PeriodKind, period
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.transport.exposition import family, labelled

__all__ = ["SpentFigures"]

_logger = logging.getLogger("otel_genai_cost")

_PERIODS: Final[tuple[PeriodKind, ...]] = ("day", "month")
_ASKED_AGAIN_S: Final = 15.0
_OTHER: Final = "other"

_ByTenant = Mapping[str, Mapping[str | None, int]]


class SpentFigures:
    """Says what tenants have spent. The ledger is asked at most four times a minute.

    Args:
        home: the ledger's folder.
        tenants_max: how many are shown by themselves.
        clock_us: the time, unix microseconds.
    """

    def __init__(
        self,
        home: Path,
        tenants_max: int,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._path, self._tenants_max, self._clock_us = home / LEDGER_FILE, tenants_max, clock_us
        self._text, self._asked_s = "", float("-inf")

    def figures(self) -> Iterator[str]:
        """As text; nothing before there is a ledger."""
        now_s = time.monotonic()
        if now_s - self._asked_s >= _ASKED_AGAIN_S and self._path.exists():
            try:
                self._text, self._asked_s = "".join(self._asked()), now_s
            except (GenAICostError, sqlite3.Error) as error:
                _logger.warning("the ledger does not say what was spent: %s", error)
                self._text = ""
        yield self._text

    def _asked(self) -> Iterator[str]:
        now_us = self._clock_us()
        periods = {kind: period(kind, "UTC", 1, now_us) for kind in _PERIODS}
        with closing(Ledger(self._path, readonly=True)) as ledger:
            spent: dict[str, _ByTenant] = {
                kind: ledger.spending.by_tenant(begin // HOUR_US, end // HOUR_US)
                for kind, (begin, end) in periods.items()
            }
        help_ = (
            "What calls cost that ended in this day or month, in UTC; the greatest, and all others."
        )
        yield from family("ledger_spent", help_, self._series(spent))
        for at, what in enumerate(("begin", "end")):
            values = {
                labelled({"period": kind}): periods[kind][at] / 1_000_000 for kind in _PERIODS
            }
            yield from family(f"ledger_period_{what}_seconds", f"Its {what}, unix time.", values)

    def _series(self, spent: Mapping[str, _ByTenant]) -> dict[str, float]:
        """By labels. Who is shown by itself is so in both periods: by what was spent in the longer one."""
        found: dict[str, float] = {}
        for kind, by_currency in spent.items():
            for currency, by_tenant in by_currency.items():
                own = self._greatest(spent["month"].get(currency, by_tenant))
                others = sum(amount for name, amount in by_tenant.items() if name not in own)
                shown = {
                    labelled(_labels(kind, currency, name)): by_tenant.get(name, 0) for name in own
                }
                if by_tenant.keys() - own:
                    other = {
                        **_labels(kind, currency, _OTHER),
                        names.OVERFLOW.replace(".", "_"): "true",
                    }
                    shown[labelled(other)] = others
                found.update((labels, amount / ATTO) for labels, amount in shown.items())
        return found

    def _greatest(self, by_tenant: Mapping[str | None, int]) -> set[str | None]:
        ordered = sorted(by_tenant, key=lambda name: (-by_tenant[name], name or ""))
        return set(ordered[: self._tenants_max])


def _labels(kind: str, currency: str, tenant: str | None) -> dict[str, str]:
    """As those of the sink of sums are in Prometheus; nobody's has no tenant."""
    return {
        names.TENANT_ID.replace(".", "_"): tenant or "",
        names.COST_CURRENCY.replace(".", "_"): currency,
        "period": kind,
    }
