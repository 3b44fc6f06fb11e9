"""That calls are blocked from now on, said at once: a notice for each budget, sum and period, once a version, and of
credit once a top-up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import guarded
from otel_genai_cost.gate.admission import Limit
from otel_genai_cost.ledger.projections.notices import notice_event
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.limits.budget import values_of
from otel_genai_cost.limits.notice import Audience, Notice
from otel_genai_cost.pricing.money import format_money

__all__ = ["Blocked", "notices_of"]

_KEPT_MAX: Final = 100_000
"""Of what was said by this process. What is said again is the same notice, and queued once."""


class Blocked:
    """Writes the notices of what is blocked into the ledger's own journal, from where whoever ships queues them.

    Args:
        home: gives the ledger's folder; None where it is on another machine, and nothing is said.
        clock_us: the time, unix microseconds.
    """

    def __init__(self, home: Callable[[], Path | None], clock_us: Callable[[], int]) -> None:
        self._home, self._clock_us = home, clock_us
        self._said: set[tuple[object, ...]] = set()

    def note(self, limit: Limit) -> None:
        """A call was refused because of a limit. Nobody waits for what is written.

        Args:
            limit: that has no room.
        """
        about = (limit.budget.id, limit.budget.version, limit.budget.hard, *limit.place)
        if about in self._said or (home := self._home()) is None:
            return
        if len(self._said) >= _KEPT_MAX:
            self._said.clear()
        self._said.add(about)
        notices = notices_of(limit, self._clock_us())
        asyncio.get_running_loop().run_in_executor(None, self._write, home, notices, about)

    def _write(self, home: Path, notices: list[Notice], about: tuple[object, ...]) -> None:
        if not _written(home, notices):  # the next call that is refused says it again
            self._said.discard(about)


@guarded("gate.blocked", False)
def _written(home: Path, notices: list[Notice]) -> bool:
    for notice in notices:
        decide(home, notice_event(notice))
    return True


def notices_of(limit: Limit, at_us: int) -> list[Notice]:
    """What the team, and the tenant whose sum it is, are informed of.

    Args:
        limit: that has no room.
        at_us: when a call was refused, unix microseconds.
    """
    budget, place = limit.budget, limit.place
    tenant = values_of(place.key).get("tenant")
    what = f"{budget.id} {budget.version} {budget.hard}"
    key = f"blocked {what} {place.series} {place.key} {place.period_from_us}"
    audiences: tuple[Audience, ...] = ("team",) if tenant is None else ("team", "tenant")
    facts = _facts(limit)
    return [Notice("blocked", key, tenant, one, at_us, facts) for one in audiences]


def _facts(limit: Limit) -> dict[str, Any]:
    budget, committed = limit.budget, limit.committed
    facts = {
        "budget": budget.id,
        "version": budget.version,
        "scope": limit.place.key,
        "period": budget.period,
        "period_from_us": limit.place.period_from_us,
        "period_to_us": limit.reset_us,
        "zone": budget.zone,
        "currency": budget.currency,
        "side": budget.side,
        "hard": None if budget.hard is None else format_money(budget.hard),
        "booked": format_money(committed.booked),
        "held": format_money(committed.open),
        "committed": format_money(committed.total),
        "reset_us": limit.reset_us,
    }
    return {name: value for name, value in facts.items() if value is not None}
