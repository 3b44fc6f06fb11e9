"""Which marks of a budget were crossed, when, and in which episode.

What a booking crosses is an event of the ledger's own journal before it is a row here: a ledger that is rebuilt books
without the reversals and in another order, and has the same crossings all the same.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.limits.budget import SOFT, Budget, values_of
from otel_genai_cost.limits.crossing import DIRECTIONS, Crossing, Level, crossings
from otel_genai_cost.limits.hold import Place
from otel_genai_cost.limits.notice import Audience, Notice, NoticeKind
from otel_genai_cost.pricing.money import format_money, parse_money

__all__ = ["CROSSING", "CROSSING_SCHEMA", "Crossed", "Crossings"]

_logger = logging.getLogger("otel_genai_cost")

CROSSING: Final = "crossing"
"""The type of the event."""

CROSSING_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS crossing (
    budget TEXT NOT NULL,
    series TEXT NOT NULL,
    key TEXT NOT NULL,
    period_from INTEGER NOT NULL,
    mark TEXT NOT NULL,
    direction TEXT NOT NULL,
    episode INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    booked TEXT NOT NULL,
    late INTEGER NOT NULL,
    PRIMARY KEY (budget, series, key, period_from, mark, direction, episode)
) WITHOUT ROWID;
"""


class Crossed(NamedTuple):
    """A crossing as it is kept: when it happened (unix microseconds), at which sum (atto), and whether its period was
    over by then."""

    crossing: Crossing
    at_us: int
    booked: int
    late: bool


class Crossings:
    """The table in an open ledger.

    Args:
        db: its connection.
        write: writes events down, for good.
        queue: has a notice sent.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        write: Callable[[Iterable[Mapping[str, Any]]], None],
        queue: Callable[[Notice], None],
    ) -> None:
        self._db, self._write, self._queue = db, write, queue

    def note(
        self,
        budget: Budget,
        place: Place,
        period_to_us: int,
        levels: tuple[Level, Level],
        at_us: int,
        *,
        late: bool = False,
    ) -> None:
        """Find what a change of a sum crosses, and take it, inside the caller's transaction.

        Args:
            budget: the version that the sum is held against.
            place: where the sum stands.
            period_to_us: when its period ends.
            levels: until now, and from now on.
            at_us: when that happened, unix microseconds.
            late: whether the period is over.
        """
        before, after = levels
        if before.reached == after.reached:
            return
        found = crossings(before, after, self.last(budget.id, place))
        by_direction = [[one for one in found if one.direction == way] for way in DIRECTIONS]
        events = [
            _event(budget, place, period_to_us, after.booked, ones, at_us, late=late)
            for ones in by_direction
            if ones
        ]
        self._write(events)
        for event in events:
            self.take(event)

    def last(self, budget_id: str, place: Place) -> dict[str, Crossing]:
        """The last crossing of each mark, by its name."""
        found: dict[str, Crossing] = {}
        for one in self.of(budget_id, place):
            known = found.get(one.crossing.mark)
            if known is None or _order(known) < _order(one.crossing):
                found[one.crossing.mark] = one.crossing
        return found

    def of(self, budget_id: str, place: Place) -> list[Crossed]:
        """Every crossing of a budget at one of its sums, in order of time."""
        rows = self._db.execute(
            "SELECT mark, direction, episode, at_us, booked, late FROM crossing"
            " WHERE budget = ? AND series = ? AND key = ? AND period_from = ? "
            " ORDER BY at_us, episode, direction DESC, CAST(mark AS INTEGER)",
            (budget_id, *place),
        )
        return [
            Crossed(Crossing(mark, direction, episode), at_us, int(booked), bool(late))
            for mark, direction, episode, at_us, booked, late in rows
        ]

    def take(self, event: Mapping[str, Any]) -> None:
        """Take what was crossed, and queue the notice of it; the same event may come again."""
        try:
            rows, notices = _rows(event), _notices(event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            _logger.error("a crossing that was written down cannot be read: %r", error)
            return
        self._db.executemany("INSERT OR IGNORE INTO crossing VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
        for notice in notices:
            self._queue(notice)


def _order(crossing: Crossing) -> tuple[int, bool]:
    """An episode begins with `up` and ends with `down`."""
    return crossing.episode, crossing.direction == "down"


def _event(
    budget: Budget,
    place: Place,
    period_to_us: int,
    booked: int,
    found: Sequence[Crossing],
    at_us: int,
    *,
    late: bool,
) -> dict[str, Any]:
    """One occurrence: all that was crossed in one direction."""
    return {
        "type": CROSSING,
        "budget": budget.id,
        "version": budget.version,
        "series": place.series,
        "scope": place.key,
        "period": budget.period,
        "period_from_us": place.period_from_us,
        "period_to_us": period_to_us,
        "zone": budget.zone,
        "currency": budget.currency,
        "side": budget.side,
        "hard": _text(budget.hard),
        "soft": _text(budget.soft),
        "booked": format_money(booked),
        "percent": budget.percent(booked),
        "direction": found[0].direction,
        "crossed": [[one.mark, one.episode] for one in found],
        "at_us": at_us,
        "late": late,
    }


def _text(amount: int | None) -> str | None:
    return None if amount is None else format_money(amount)


def _rows(event: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Raises KeyError, TypeError or ValueError for what is no such event."""
    direction = event["direction"]
    if direction not in DIRECTIONS:
        raise ValueError(f"no direction: {direction!r}")
    head = (event["budget"], event["series"], event["scope"], int(event["period_from_us"]))
    tail = (int(event["at_us"]), str(parse_money(event["booked"])), int(event["late"]))
    return [
        (*head, str(mark), direction, int(episode), *tail) for mark, episode in event["crossed"]
    ]


_FACTS: Final = (
    "budget",
    "version",
    "scope",
    "period",
    "period_from_us",
    "period_to_us",
    "zone",
    "currency",
    "side",
    "hard",
    "soft",
    "booked",
    "percent",
    "direction",
)


def _notices(event: Mapping[str, Any]) -> list[Notice]:
    """To the team; and to the tenant, where the sum is one tenant's."""
    crossed: list[list[Any]] = event["crossed"]
    facts = {
        **{name: event[name] for name in _FACTS if event[name] is not None},
        "thresholds": [int(mark) for mark, _ in crossed if mark != SOFT],
        "soft_reached": any(mark == SOFT for mark, _ in crossed),
        "episode": max(episode for _, episode in crossed),
    }
    tenant = values_of(event["scope"]).get("tenant")
    kind: NoticeKind = "crossed" if event["direction"] == "up" else "resolved"
    marks = ",".join(f"{mark}#{episode}" for mark, episode in crossed)
    place = f"{event['series']} {event['scope']} {event['period_from_us']}"
    key = f"{event['budget']} {place} {event['direction']} {marks}"
    audiences: tuple[Audience, ...] = ("team",) if tenant is None else ("team", "tenant")
    return [
        Notice("late" if event["late"] else kind, key, tenant, audience, event["at_us"], facts)
        for audience in audiences
    ]
