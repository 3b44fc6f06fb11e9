"""A schedule of statements: what has become due since the last round, and what was booked late, is stated once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.pricing.instants import local_clock
from otel_genai_cost.statements.gather import Gathering, series_of_entry
from otel_genai_cost.statements.periods import Calendar, Zones, first_day_of
from otel_genai_cost.statements.plans import Plan
from otel_genai_cost.statements.revise import Closing
from otel_genai_cost.statements.run import Asked, Outcome, Spreading, state
from otel_genai_cost.statements.statement import Scope
from otel_genai_cost.statements.store import Round, Statements

__all__ = ["Schedule", "next_round"]

_DAY: Final = timedelta(days=1)
_ZONES_DIFFER_US: Final = 2 * 86_400_000_000
_FIRST_US: Final = 946_684_800_000_000
"""The year 2000: what is said to have been before it is stated by `run`, not by a schedule."""


class Schedule(NamedTuple):
    """What is stated again and again.

    Attributes:
        calendar: which periods.
        scope: what calls are split by.
        zone: of whoever has none of its own.
        grace_us: how long after its end a period stays open.
        accept: what periods are closed with.
        plans: what tenants pay in place of the prices of their calls.
        spreading: how what is nobody's is spread; None for as it was stated last, and where nothing was, not at all.
    """

    calendar: Calendar
    scope: Scope | None = None
    zone: str = "UTC"
    grace_us: int = 0
    accept: frozenset[str] = frozenset()
    plans: tuple[Plan, ...] = ()
    spreading: Spreading | None = None

    @property
    def name(self) -> str:
        """By which its rounds are told from those of others."""
        facts = [*self.calendar, self.scope, self.zone, self.grace_us, sorted(self.accept)]
        return json.dumps(facts if self.spreading is None else [*facts, self.spreading.rule])


def next_round(
    ledger: Ledger, file: Statements, schedule: Schedule, directory: Directory, now_us: int
) -> Outcome:
    """State all that has become due, whenever the last round was, and revise what was booked late. The caller is the
    one process that states.

    Args:
        ledger: is only read.
        file: of statements, in which it is noted how far the round came.
        schedule: what is stated.
        directory: who the tenants are.
        now_us: the time, unix microseconds.

    Raises:
        LedgerError: if an entry or a statement is damaged, or the ledger has fewer entries than were stated.
    """
    last, seq = file.last_round(schedule.name), ledger.entries.last_seq()
    ledger.entries.check_has(last.seq, "stated")
    known = _known(ledger, seq, directory, schedule.plans)
    if last.seq and last.registry == _known(ledger, last.seq, directory, schedule.plans):
        zones = Zones(directory, schedule.zone)
        gathering = Gathering(directory, zones, schedule.calendar)
        late = (
            series_of_entry(entry, gathering).period.first_day
            for entry in ledger.entries.since(last.seq)
        )
        days = frozenset((*_due(schedule, last.until_us, now_us), *late))
    else:
        days = frozenset(_due(schedule, _first_us(ledger, schedule, now_us), now_us))
    if not days:  # a clock that was put back
        return Outcome((), (), ())
    asked = Asked(
        schedule.calendar,
        days,
        Closing(now_us, schedule.grace_us, schedule.accept),
        schedule.scope,
        directory=directory,
        zone=schedule.zone,
        plans=schedule.plans,
        spreading=schedule.spreading,
    )
    outcome = state(ledger, file, asked)
    held = [one.period_to_us for one in outcome.pending if one.state == "blocked"]
    file.note_round(schedule.name, Round(seq, min([now_us, *held]), known))
    return outcome


def _first_us(ledger: Ledger, schedule: Schedule, now_us: int) -> int:
    """From when on there may be something to state."""
    first_us = ledger.entries.extent().first_us
    begun = (plan.from_us for plan in schedule.plans)
    return min(now_us, *begun, now_us if first_us is None else first_us)


def _due(schedule: Schedule, until_us: int, now_us: int) -> Iterator[date]:
    """The first days of all periods that can have become due since a time, in some zone."""
    from_us = until_us - schedule.grace_us - _ZONES_DIFFER_US
    day = first_day_of(schedule.calendar, _date(from_us))
    last = _date(now_us - schedule.grace_us + _ZONES_DIFFER_US)
    while day <= last:
        yield day
        after = day + _DAY
        while first_day_of(schedule.calendar, after) == day:
            after += _DAY
        day = after


def _date(us: int) -> date:
    return local_clock(max(us, _FIRST_US)).date()


def _known(ledger: Ledger, seq: int, directory: Directory, plans: Iterable[Plan]) -> str:
    """Stands for what the registry and the plans say, and for the entries up to one: another ledger has others, and so
    has one that was put back and went on. Where a plan is of credit, for the grants too: one that is given or begins
    later pays calls of before."""
    plans = tuple(plans)
    facts = [
        repr(plan._replace(tenants=frozenset())) + repr(sorted(plan.tenants)) for plan in plans
    ]
    rows = [row.facts for row in directory.rows]
    turns = ledger.credits.turns() if any(plan.kind == "credit" for plan in plans) else 0
    text = repr((rows, sorted(facts), ledger.id, ledger.entries.id_at(seq), turns))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
