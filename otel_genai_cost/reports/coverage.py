"""How much of what happened the ledger knows: what came, what is missing, and what has no price or no tenant."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.counted import Counted
from otel_genai_cost.ledger.storage.cursors import Cursor
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.silence import HISTORY_HOURS, silent_since
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import atto_of

__all__ = ["Coverage", "Missing", "Spend", "coverage", "coverage_record", "partial"]

_QUERIES: Final = Path(__file__).parent / "sql"
_CHARGES_SQL: Final = (_QUERIES / "coverage.sql").read_text(encoding="utf-8")
_HOURS_SQL: Final = (_QUERIES / "service_hours.sql").read_text(encoding="utf-8")

_FOREVER_US: Final = 1 << 62
_HOUR_US: Final = 3_600_000_000
_SYSTEM: Final = "system"
_PLACES: Final = Decimal("0.0001")


class Spend(NamedTuple):
    """What charges come to, in atto of one currency: what a tenant's name is on, what is the platform's own, and by why
    what is nobody's."""

    tenants: int
    system: int
    nobodys: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of it."""
        return self.tenants + self.system + sum(self.nobodys.values())


class Missing(NamedTuple):
    """What is missing of a process: records by their numbers, and lines that cannot be read."""

    process: str
    gaps: int
    damaged: int


class Coverage(NamedTuple):
    """Counts of a period.

    Attributes:
        shipped: observations in the ledger, by the end of their call.
        settled: those of them that were taken for a charge, or for none.
        gaps: records that are proved to be missing. No time is known of them: of all periods.
        damaged: journal lines that could not be read. No time is known of them either.
        calls: charges.
        unpriced: charges without a total.
        unattributed: charges that are nobody's; work that the platform did for itself is not among them.
        estimated: charges whose usage is an estimate.
        open: calls that began, and may still end.
        lost: calls that began, and whose process ended before them.
        spend: what the charges come to, by currency.
        partial: services that are known by a sample of their spans, and how many of their calls were in it.
        missing: processes of which something is missing, of all time.
        silent: services that always called and have stopped by the end of the period, and when each called last.
    """

    shipped: int
    settled: int
    gaps: int
    damaged: int
    calls: int
    unpriced: int
    unattributed: int
    estimated: int
    open: int
    lost: int
    spend: Mapping[str, Spend]
    partial: Mapping[str, int]
    missing: tuple[Missing, ...]
    silent: Mapping[str, int]

    @property
    def observations(self) -> int:
        """What is known to have been observed, or to have begun."""
        return self.shipped + self.gaps + self.open

    @property
    def unfinished(self) -> int:
        """Calls that began and did not end, as far as known: a liability of unknown size."""
        return self.open + self.lost


def partial(ledger: Ledger, selection: Selection) -> Mapping[str, int]:
    """Services that are known by a sample of their spans, and how many of their calls were in it; of a selection only
    its time counts."""
    return ledger.head_sampled.between(*_period(selection))


def _period(selection: Selection) -> tuple[int, int]:
    from_us = 0 if selection.from_us is None else selection.from_us
    return from_us, _FOREVER_US if selection.to_us is None else selection.to_us


def coverage(
    ledger: Ledger,
    selection: Selection,
    now_us: int | None = None,
    store: Queryable | None = None,
    counted: Counted | None = None,
) -> Coverage:
    """The coverage of a period.

    Args:
        ledger: the ledger.
        selection: of which only its time counts.
        now_us: the time, in unix microseconds; None for that of the clock.
        store: where the sums over entries are asked for, which is faster; None to read the ledger's.
        counted: keeps how many observations there are, for who asks again; None to count them.
    """
    from_us, to_us = _period(selection)
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    silences = _Silences(min(to_us, now_us))
    if counted is None:
        shipped, settled = ledger.observations.count_between(from_us, to_us)
    else:
        shipped, settled = counted.between(ledger, from_us, to_us)
    cursors = ledger.cursors.all()
    charges = _Charges()
    if store is None:
        for entry in ledger.entries.between(min(from_us, silences.since_us), to_us):
            silences.add(entry)
            if from_us <= entry.occurred_us < to_us:
                charges.add(entry)
    else:
        charges.ask(store, Selection(selection.from_us, selection.to_us))
        silences.ask(store)
    started = [from_us <= record["start_us"] < to_us for record in ledger.started.open()]
    return Coverage(
        shipped=shipped,
        settled=settled,
        gaps=sum(cursor.gaps for cursor in cursors),
        damaged=sum(cursor.damaged for cursor in cursors),
        calls=charges.calls,
        unpriced=charges.unpriced,
        unattributed=charges.unattributed,
        estimated=charges.estimated,
        open=sum(started),
        lost=charges.lost,
        spend={currency: _spend(sums) for currency, sums in charges.spend.items()},
        partial=partial(ledger, selection),
        missing=_missing(cursors),
        silent=silences.found(),
    )


def _missing(cursors: Sequence[Cursor]) -> tuple[Missing, ...]:
    """By process; of one whose header could not be read, by segment."""
    found: dict[str, Missing] = {}
    for one in cursors:
        if one.gaps or one.damaged:
            process = one.process or one.path
            before = found.get(process, Missing(process, 0, 0))
            found[process] = Missing(process, before.gaps + one.gaps, before.damaged + one.damaged)
    return tuple(found[process] for process in sorted(found))


class _Silences:
    """In which hours each service called, of the time before an instant."""

    def __init__(self, until_us: int) -> None:
        self.since_us, self._until_us = until_us - HISTORY_HOURS * _HOUR_US, until_us
        self._hours: dict[str, dict[int, int]] = {}

    def add(self, entry: Entry) -> None:
        if entry.calls > 0 and self.since_us <= entry.occurred_us < self._until_us:
            hours = self._hours.setdefault(entry.service or "", {})
            hour = entry.occurred_us // _HOUR_US
            hours[hour] = max(hours.get(hour, 0), entry.occurred_us)

    def ask(self, store: Queryable) -> None:
        """Add what a store has."""
        span = Selection(self.since_us, self._until_us)
        condition, parameters = span.condition(1)
        for service, hour, last_us in store.query(
            _HOURS_SQL.format(condition=condition), parameters
        ).rows:
            self._hours.setdefault(service, {})[hour] = last_us

    def found(self) -> dict[str, int]:
        """Who is silent by then, and when it called last."""
        now_hour, silent = self._until_us // _HOUR_US, dict[str, int]()
        for service in sorted(self._hours):
            hours = self._hours[service]
            if (last := silent_since(hours.keys(), now_hour)) is not None:
                silent[service] = hours[last]
        return silent


class _Charges:
    """Sums over entries, each of which counts charges by +1, 0 and -1."""

    def __init__(self) -> None:
        self.calls = self.unpriced = self.unattributed = self.estimated = self.lost = 0
        self.spend: dict[str, dict[str | None, int]] = {}

    def add(self, entry: Entry) -> None:
        self.calls += entry.calls
        self.unpriced += entry.unpriced
        if entry.attribution.tenant is None and entry.attribution.absent != _SYSTEM:
            self.unattributed += entry.calls
        if entry.quality == "estimated":
            self.estimated += entry.calls
        if entry.reason == "unfinished":
            self.lost += entry.calls
        by_absence = self.spend.setdefault(entry.currency, {})
        absent = entry.attribution.absent
        by_absence[absent] = by_absence.get(absent, 0) + entry.amount

    def ask(self, store: Queryable, span: Selection) -> None:
        """Add the entries of a time that a store has."""
        condition, parameters = span.condition(1)
        for currency, absent, *counts, amount in store.query(
            _CHARGES_SQL.format(condition=condition), parameters
        ).rows:
            calls, unpriced, nobodys, estimated, lost = counts
            self.calls += calls
            self.unpriced += unpriced
            self.unattributed += nobodys
            self.estimated += estimated
            self.lost += lost
            self.spend.setdefault(currency, {})[absent] = atto_of(amount)


def _spend(sums: Mapping[str | None, int]) -> Spend:
    """Of one currency, from the sums by why there is no tenant; None where there is one."""
    nobodys = {why: n for why, n in sums.items() if why not in (None, _SYSTEM) and n}
    return Spend(
        sums.get(None, 0), sums.get(_SYSTEM, 0), {str(why): nobodys[why] for why in nobodys}
    )


def coverage_record(found: Coverage) -> dict[str, Any]:
    """As JSON; what only a provider's bill says is null. Shares are decimal strings, rounded down. Figures of
    services in `partial` are those of a sample, and nothing is made of them for the rest."""
    return {
        "observations": found.observations,
        "shipped": found.shipped,
        "settled": found.settled,
        "gaps": found.gaps,
        "damaged": found.damaged,
        "unpriced": found.unpriced,
        "unattributed": found.unattributed,
        "estimated": found.estimated,
        "unfinished": found.unfinished,
        "billed": None,
        "captured_share": _share(found.shipped - found.lost, found.observations),
        "attributed_share": _share(found.calls - found.unattributed, found.calls),
        "unexplained": None,
        "spend": {currency: _spend_record(one) for currency, one in found.spend.items()},
        "partial": [
            {"service": service or None, "observations": n} for service, n in found.partial.items()
        ],
        "missing": [one._asdict() for one in found.missing],
        "silent": [
            {"service": service or None, "last": rfc3339(last_us)}
            for service, last_us in found.silent.items()
        ],
    }


def _spend_record(one: Spend) -> dict[str, Any]:
    return {
        "total": format_money(one.total),
        "tenants": format_money(one.tenants),
        "system": format_money(one.system),
        "unattributed": {why: format_money(amount) for why, amount in sorted(one.nobodys.items())},
        "tenant_share": _share(one.tenants, one.total),
    }


def _share(part: int, whole: int) -> str | None:
    if not whole:
        return None
    return str((Decimal(part) / whole).quantize(_PLACES, ROUND_DOWN))
