"""A billing system in memory, a destination that leads to it, and a round of sending."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from otel_genai_cost.billing.destination import Destination
from otel_genai_cost.billing.meter import Meter
from otel_genai_cost.billing.opening import connect
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.serving import Round, run
from otel_genai_cost.billing.usage_event import UsageEvent
from otel_genai_cost.billing.vendor import Came, Rules
from otel_genai_cost.ledger.tenants.check import Written, rows_of
from otel_genai_cost.ledger.tenants.directory import NOT_REGISTERED, directory_of
from tests.billing.ledgers import DAY_US, FIRST_US, HOUR_US

__all__ = ["MONEY", "NOW_US", "ONE", "Memory", "destination", "outbox", "send"]

ONE = 3_500_000_000_000_000
NOW_US = FIRST_US + 2 * DAY_US
MONEY = Meter("cost", "price", currency="USD")


class Memory:
    """A billing system that keeps what it is sent; `answers` says what comes of each event."""

    def __init__(self, **rules: Any) -> None:
        limits: dict[str, Any] = {"past_us": None, "future_us": 0, "remembers_us": None}
        self.rules = Rules("Memory", "", 10, **{**limits, **rules})
        self.sent: list[UsageEvent] = []
        self.answers: Callable[[UsageEvent], Came] = lambda event: Came("accepted")
        self.requests: list[int] = []

    def __call__(self, settings: Mapping[str, Any], key: str) -> Memory:
        return self

    def problems(self, settings: Mapping[str, Any]) -> list[str]:
        return []

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        self.requests.append(len(events))
        came = [self.answers(one) for one in events]
        self.sent += [e for e, what in zip(events, came, strict=True) if what.outcome == "accepted"]
        return came

    def rejected_later(self, ids: Collection[str]) -> Mapping[str, str]:
        return {}

    def quantities(self, asked: Any) -> Mapping[int, int]:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""

    def sums(self) -> dict[str, int]:
        """What each customer has."""
        found: dict[str, int] = {}
        for one in self.sent:
            found[one.customer] = found.get(one.customer, 0) + one.quantity
        return found


def destination(**changes: Any) -> Destination:
    """One of hours and of money, whose customers are the tenants."""
    return Destination(
        name="there",
        vendor="memory",
        from_us=FIRST_US,
        window_us=HOUR_US,
        delay_us=600_000_000,
        meters=(MONEY,),
        names_tenants=True,
    )._replace(**changes)


def send(
    home: Path, vendor: Memory, where: Destination, us: int = NOW_US, rows: Sequence[Any] = ()
) -> Round:
    """A round."""
    written = [Written(row, "tenants.toml", 1) for row in rows]
    directory = directory_of(rows_of(written)) if rows else NOT_REGISTERED
    kind: Any = vendor
    (done,) = run(
        home,
        [where],
        directory=lambda: directory,
        clock_us=lambda: us,
        kinds=lambda name: kind,
    )
    return done


def outbox(home: Path, question: Callable[[Outbox], Any]) -> Any:
    """What the outbox says."""
    with closing(connect(home)) as db:
        return question(Outbox(db, "there"))
