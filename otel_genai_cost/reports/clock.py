"""Stretches of time as a query groups by them: when each begins on a zone's clock, as an instant in UTC."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timezone, tzinfo
from typing import Final, NamedTuple

__all__ = ["TIMES", "Clock", "begin", "clock"]

_CLOCKS: Final = ("second", "minute", "hour")
_CALENDARS: Final = ("day", "week", "month", "quarter", "year")
TIMES: Final = (*_CLOCKS, *_CALENDARS)
"""Stretches of time that a report can be grouped by; weeks begin on Monday."""

_SLOTTED: Final = frozenset({"hour", *_CALENDARS})
"""Those that begin with a slot, on every clock there is."""

_SLOT: Final = (
    "CASE WHEN occurred < TIMESTAMP '1973-01-01' THEN epoch_us(occurred)\n"
    "  ELSE epoch_us(occurred) // 900000000 * 900000000 END"
)
"""A quarter of an hour: the offsets of all zones are multiples of it since the last that was not, Liberia's of 1972.
Before, an instant is a slot of its own."""


class Clock(NamedTuple):
    """What a query joins to know when stretches of time begin: a zone's clock is asked once for each slot that has
    calls, and not for every entry, which takes most of the time of a query.

    Attributes:
        relation: a common table expression, without its WITH; "" where nothing is joined.
        source: what is added to that which is selected from.
        expressions: what stands for a stretch of time, by its name.
    """

    relation: str
    source: str
    expressions: dict[str, str]

    def beside(self, relation: str) -> str:
        """A query's common table expressions and this one, with their WITH.

        Args:
            relation: the others, with theirs; "" without any.
        """
        if not (relation and self.relation):
            return relation or (f"WITH {self.relation}" if self.relation else "")
        return f"{relation.rstrip()},\n{self.relation}"


def clock(names: Collection[str], zone: tzinfo, between: str) -> Clock:
    """What a query joins for some stretches of time.

    Args:
        names: dimensions; those that are no stretches of time are no concern of it.
        zone: on whose clock they begin.
        between: what holds of `occurred` for every entry that is selected, in SQL.
    """
    times = [name for name in dict.fromkeys(names) if name in TIMES]
    slotted = [name for name in times if name in _SLOTTED] if zone is not timezone.utc else []
    found = {name: begin(name, zone, "occurred") for name in times}
    if not slotted:
        return Clock("", "", found)
    begins = ", ".join(
        f"{begin(one, zone, 'make_timestamp(slot)')} AS clock_{one}" for one in slotted
    )
    relation = (
        f"clock AS (SELECT slot, {begins} FROM (\n"
        f"  SELECT DISTINCT {_SLOT} AS slot FROM entries WHERE {between}))\n"
    )
    source = f"\nLEFT JOIN clock ON slot = {_SLOT}"
    return Clock(relation, source, found | {one: f"clock_{one}" for one in slotted})


def begin(name: str, zone: tzinfo, instant: str) -> str:
    """When the stretch of time that an instant is in begins, in SQL: an hour that comes twice, where the clock is put
    back, is two.

    Args:
        name: of the stretch.
        zone: on whose clock.
        instant: in UTC, in SQL.
    """
    if zone is timezone.utc:
        return f"date_trunc('{name}', {instant})"
    local = f"timezone('{zone}', timezone('UTC', {instant}))"
    if name in _CLOCKS:
        return f"date_trunc('{name}', {local}) - ({local} - {instant})"
    return f"timezone('UTC', timezone('{zone}', date_trunc('{name}', {local})))"
