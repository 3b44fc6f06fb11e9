"""Stating periods: from the ledger's entries to revisions in the file of statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.reports.margin.spreading import SpreadRule
from otel_genai_cost.statements.charging import Charged, Charging
from otel_genai_cost.statements.gaps import Gap, gaps_in, gaps_of
from otel_genai_cost.statements.gather import Gathering, Series, Sums, gather
from otel_genai_cost.statements.periods import Calendar, Period, Zones, label_of, reach
from otel_genai_cost.statements.plans import Plan
from otel_genai_cost.statements.revise import NOT_SPREAD, Closing, Part, next_revision
from otel_genai_cost.statements.spread import Charges, Rules, spread
from otel_genai_cost.statements.statement import Scope, Statement, is_of
from otel_genai_cost.statements.store import Statements, series_of

__all__ = ["Asked", "Bounds", "Outcome", "Spreading", "looked", "made", "state"]

_FOREVER_US: Final = 1 << 62


Bounds: TypeAlias = Mapping[tuple[str, str | None], Collection[tuple[int, int, str]]]
"""Which periods of whom were stated: from, to and zone, by whose and tenant."""


class Spreading(NamedTuple):
    """How what is nobody's is spread.

    Attributes:
        rule: of `SPREAD_RULES`; None to leave it as it is.
        overrules: whether that holds for periods too of which something was stated by another rule, or by none.
    """

    rule: SpreadRule | None
    overrules: bool = False


class Asked(NamedTuple):
    """What is to be stated.

    Attributes:
        calendar: which periods.
        first_days: those that begin with these days; None for all.
        scope: what calls are split by.
        tenants: whom, by id, or `unattributed` and `system`; empty for everybody.
        directory: who the tenants are.
        zone: of tenants whose rows name none, and of what is nobody's.
        closing: when and how periods are closed.
        plans: what tenants pay in place of the prices of their calls.
        spreading: how what is nobody's is spread; None for as it was stated last, and where nothing was, not at all.
    """

    calendar: Calendar
    first_days: frozenset[date] | None
    closing: Closing
    scope: Scope | None = None
    tenants: frozenset[str] = frozenset()
    directory: Directory = Directory((), {})
    zone: str = "UTC"
    plans: tuple[Plan, ...] = ()
    spreading: Spreading | None = None


class Outcome(NamedTuple):
    """What there is to say of the periods: what is stated, and what is not yet, as it would be now."""

    stated: tuple[Statement, ...]
    fresh: tuple[Statement, ...]
    pending: tuple[Statement, ...]

    @property
    def statements(self) -> list[Statement]:
        """All of them: by tenant and period, each with its revisions."""
        return sorted((*self.stated, *self.pending), key=_order)


def _order(one: Statement) -> tuple[Any, ...]:
    whose = {"tenant": 0, "unattributed": 1, "system": 2}[one.whose]
    of = (one.scope_value or "", one.scope_value is None, one.currency, one.cost_currency)
    return (whose, one.tenant or "", one.period_from_us, *of, one.revision)


def state(ledger: Ledger, file: Statements, asked: Asked) -> Outcome:
    """State what is due, and say what holds. The caller is the one process that states.

    Args:
        ledger: is only read.
        file: what was stated goes into it, all or none.
        asked: what is meant.

    Raises:
        LedgerError: if an entry or a statement is damaged, or the ledger has fewer entries than were stated.
    """
    outcome, gaps = looked(ledger, file, asked)
    ledger.entries.check_has(max((one.seq_to for one in outcome.stated), default=0), "stated")
    file.note_gaps(gaps)
    file.append(outcome.fresh, asked.closing.now_us, ledger.id)
    return outcome


def looked(ledger: Ledger, file: Statements, asked: Asked) -> tuple[Outcome, list[Gap]]:
    """What would be stated now, and the gaps that are known; nothing is kept.

    Args:
        ledger: is only read.
        file: what was stated.
        asked: what is meant.

    Raises:
        LedgerError: if an entry or a statement is damaged.
    """
    with ledger.snapshot():
        gaps = gaps_of(ledger.cursors.all(), file.gaps(), asked.closing.now_us)
        before, bounds = _kept(file, asked), _bounds(file, asked)
        entries, burns = _entries(ledger, asked), _burns(ledger, asked)
        return made(entries, before, bounds, gaps, asked, burns), gaps


def _entries(ledger: Ledger, asked: Asked) -> Iterator[Entry]:
    if asked.first_days is None:
        return iter(ledger.entries)
    return ledger.entries.between(*reach(asked.calendar, asked.first_days))


def _burns(ledger: Ledger, asked: Asked) -> Mapping[tuple[int, str], int]:
    """What credit paid of each entry, where a plan asks for it."""
    found: dict[tuple[int, str], int] = {}
    if any(plan.kind == "credit" for plan in asked.plans):
        for one in ledger.credits.burnt():
            key = (one.seq, one.grant.currency)
            found[key] = found.get(key, 0) + one.amount
    return found


def _bounds(file: Statements, asked: Asked) -> Bounds:
    days = asked.first_days
    within = (-_FOREVER_US, _FOREVER_US) if days is None else reach(asked.calendar, days)
    found: dict[tuple[str, str | None], set[tuple[int, int, str]]] = {}
    for whose, tenant, from_us, to_us, zone in file.bounds(asked.calendar, asked.scope, *within):
        found.setdefault((whose, tenant), set()).add((from_us, to_us, zone))
    return found


def _kept(file: Statements, asked: Asked) -> dict[Series, list[Statement]]:
    """What was stated of these periods, of everybody: by series, in the order of revisions, the series in the order in
    which they were stated last."""
    days = asked.first_days
    labels = None if days is None else {label_of(asked.calendar, day): day for day in days}
    found: dict[Series, list[Statement]] = {}
    for kept in file.of(asked.calendar, None if labels is None else labels.keys()):
        one = kept.statement
        if one.scope == asked.scope:
            series = series_of(one)
            found[series] = [*found.pop(series, ()), one]
    return found


def _rules(
    before: Mapping[Series, Sequence[Statement]], asked: Asked, days: Iterable[date]
) -> Rules:
    """How each period is spread: as it was stated last, unless that is overruled; if nothing was, as is asked."""
    last = {series.period.first_day: of_series[-1] for series, of_series in before.items()}
    given = asked.spreading or Spreading(None)
    found: dict[date, SpreadRule] = {}
    for day in days:
        stated = None if given.overrules else last.get(day)
        rule = given.rule if stated is None else stated.spread and stated.spread.rule
        if rule is not None:
            found[day] = rule
    return found


def made(
    entries: Iterable[Entry],
    before: Mapping[Series, Sequence[Statement]],
    bounds: Bounds,
    gaps: Sequence[Gap],
    asked: Asked,
    burns: Mapping[tuple[int, str], int] = MappingProxyType({}),
) -> Outcome:
    """What is to be stated of entries. Pure.

    Args:
        entries: all that may count.
        before: what was stated, by series, in the order of revisions.
        bounds: the periods that were stated.
        gaps: of the journal.
        asked: what is meant.
        burns: what credit paid of entries, by their seq and the currency.
    """
    zones = Zones(asked.directory, asked.zone)
    charging = Charging(asked.plans, asked.directory)
    is_over_all = asked.spreading is not None or any(
        one.spread for of_series in before.values() for one in of_series
    )
    gathering = Gathering(
        directory=asked.directory,
        zones=zones,
        calendar=asked.calendar,
        first_days=asked.first_days,
        scope=asked.scope,
        tenants=frozenset() if is_over_all else asked.tenants,
        burns=burns,
    )
    sums = gather(entries, gathering, lambda series: _seq_to(before.get(series, ())))
    for series in _without_entries(before, asked, zones, charging):
        if series not in sums:
            sums[series] = Sums(_seq_to(before.get(series, ())))
    found = list(_next_of(sums, before, bounds, gaps, asked, charging))
    fresh = sorted((one for one in found if one.state == "stated"), key=_order)
    pending = sorted((one for one in found if one.state != "stated"), key=_order)
    known = [
        one
        for series, of_series in before.items()
        if is_of(series.tenant, series.whose, asked.tenants)
        for one in of_series
    ]
    return Outcome((*known, *fresh), tuple(fresh), tuple(pending))


def _without_entries(
    before: Mapping[Series, Sequence[Statement]], asked: Asked, zones: Zones, charging: Charging
) -> Iterator[Series]:
    """What may be stated though no entry is of it: it was stated, or a plan has a fee."""
    yield from (series for series in before if _is_current(series, zones))
    if asked.scope is None and asked.first_days is not None:
        yield from charging.fees(zones, asked.calendar, asked.first_days)


def _seq_to(before: Sequence[Statement]) -> int:
    return before[-1].seq_to if before else 0


def _is_current(series: Series, zones: Zones) -> bool:
    """Whether the tenant has such a period by now; that of a zone that it was moved from stays as it was stated."""
    period = series.period
    return period in zones.periods(series.tenant, series.calendar, period.first_day)


def _next_of(
    sums: Mapping[Series, Sums],
    before: Mapping[Series, Sequence[Statement]],
    bounds: Bounds,
    gaps: Sequence[Gap],
    asked: Asked,
    charging: Charging,
) -> Iterator[Statement]:
    """The next revision of all that differs. What is nobody's comes first: while it is blocked, nobody bears it."""
    charged = {series: charging.charged(series, of_series) for series, of_series in sums.items()}
    days = {series.period.first_day for series in sums}
    charges = {series: Charges(sums[series], one.lines) for series, one in charged.items()}
    parts = spread(_rules(before, asked, days), charges)
    blocked: dict[date, list[str]] = {}
    for series in sorted(sums, key=lambda one: one.tenant is not None):
        part, day = parts.get(series, NOT_SPREAD), series.period.first_day
        held = blocked.get(day, []) if part.lines and series.tenant is not None else []
        one = _next(
            series,
            sums[series],
            charged[series],
            part,
            held,
            before.get(series, ()),
            bounds,
            gaps,
            asked.closing,
        )
        if one is not None and one.state == "blocked" and series.tenant is None and part.spread:
            blocked.setdefault(day, []).append(
                f"what is {series.whose} is spread over it, and is not closed"
            )
        if one is not None and is_of(series.tenant, series.whose, asked.tenants):
            yield one


def _next(
    series: Series,
    sums: Sums,
    charged: Charged,
    part: Part,
    held: Sequence[str],
    before: Sequence[Statement],
    bounds: Bounds,
    gaps: Sequence[Gap],
    closing: Closing,
) -> Statement | None:
    period = series.period
    obstacles = _obstacles(period, bounds.get((series.whose, series.tenant), ()))
    return next_revision(
        series,
        sums,
        charged.lines,
        before,
        gaps=gaps_in(gaps, period.from_us, period.to_us),
        closing=closing,
        plan=charged.plan,
        obstacles=(*obstacles, *charged.obstacles, *held),
        remarks=charged.remarks,
        part=part,
    )


def _obstacles(period: Period, stated: Collection[tuple[int, int, str]]) -> list[str]:
    """Periods that were stated otherwise: calls would be in two of them."""
    return [
        f"overlaps the period from {rfc3339(from_us)} to {rfc3339(to_us)} that was stated in {zone}: let the row of "
        f"the other time zone begin at {rfc3339(to_us)}"
        for from_us, to_us, zone in sorted(stated)
        if from_us < period.to_us
        and to_us > period.from_us
        and (from_us, to_us, zone) != period[:3]
    ]
