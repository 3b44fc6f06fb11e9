"""Tenants in twelve zones and the entries of their calls: some at the edges of months and clock changes, some late."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.tenants.billing_terms import BillingTerms
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.pricing.instants import midnight_us, zone_of
from otel_genai_cost.pricing.money import ATTO, format_money
from tests.statements.ledgers import entry, line

__all__ = ["ZONES", "Fleet", "first_of", "fleet_of"]

ZONES: Final = (
    *("Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles"),
    *("America/Santiago", "America/Havana", "Australia/Sydney", "Australia/Lord_Howe"),
    *("Pacific/Auckland", "Pacific/Chatham", "Africa/Cairo", "Asia/Beirut"),
)
"""All of them change their clocks within a year, some by half an hour, some at midnight."""

_FIRST: Final = date(2025, 8, 1)
_CALLS_A_MONTH: Final = 8
_SECOND_US: Final = 1_000_000
_LATE_SHARE: Final = 0.05
_MODELS: Final = ("gpt-4o", "gpt-4o-mini", "claude", "gemini")


class Fleet(NamedTuple):
    """The registry's rows, and the entries that are booked in each month, in order: those of its calls, and those of
    earlier months that come late: most of them in the next two, some whenever."""

    rows: tuple[TenantRow, ...]
    booked: tuple[tuple[Entry, ...], ...]
    late: int


def first_of(month: int) -> date:
    """The first day of a month, counted from the first one."""
    months = _FIRST.year * 12 + _FIRST.month - 1 + month
    return date(months // 12, months % 12 + 1, 1)


def fleet_of(tenants: int, months: int, seed: int) -> Fleet:
    """A fleet that is always the same for a seed."""
    draw = random.Random(seed)
    rows = tuple(_rows(tenants, months, draw))
    calls = [_calls(tenants, month, draw) for month in range(months)]
    booked: list[list[Entry]] = [[] for _ in calls]
    late, number = 0, 0
    for month, of_month in enumerate(calls):
        for who, at_us in of_month:
            number += 1
            after = month
            if draw.random() < _LATE_SHARE and month + 1 < months:
                until = months if draw.random() < 0.01 else min(months, month + 3)
                after, late = draw.randrange(month + 1, until), late + 1
            booked[after].append(_call(number, who, at_us, draw))
    for month in range(1, months):
        corrected = draw.sample(booked[month - 1], len(booked[month - 1]) // 50)
        booked[month] += [one for each in corrected for one in _corrected(each, draw)]
    return Fleet(rows, tuple(map(tuple, booked)), late)


def _rows(tenants: int, months: int, draw: random.Random) -> Iterator[TenantRow]:
    """One in ten moves to another zone, one in ten is merged into another, one in ten has an alias."""
    begin_us = midnight_us(_FIRST - timedelta(days=40), timezone.utc)
    for n in range(tenants):
        zone = ZONES[n % len(ZONES)]
        aliases = (f"alias-{n}",) if n % 10 == 3 else ()
        first = TenantRow(f"t{n}", begin_us, aliases=aliases, billing=BillingTerms(time_zone=zone))
        yield first
        month = draw.randrange(months)
        at_us = midnight_us(first_of(month), timezone.utc) + draw.randrange(10**12)
        if n % 10 == 1:
            moved = BillingTerms(time_zone=ZONES[(n + 5) % len(ZONES)])
            yield first._replace(from_us=at_us, billing=moved)
        if n % 10 == 2 and n + 1 < tenants:
            yield TenantRow(f"t{n}", at_us, merged_into=f"t{n + 1 if n % 10 == 2 else n}")


def _calls(tenants: int, month: int, draw: random.Random) -> list[tuple[str | None, int]]:
    """Who called and when; in UTC's month, but for those next to the edges of a zone's own."""
    found: list[tuple[str | None, int]] = []
    from_us, to_us = (midnight_us(first_of(one), timezone.utc) for one in (month, month + 1))
    for n in range(tenants):
        who = f"alias-{n}" if n % 10 == 3 and draw.random() < 0.5 else f"t{n}"
        edges = _edges(ZONES[n % len(ZONES)], month)
        at = [draw.randrange(from_us, to_us) for _ in range(_CALLS_A_MONTH - 2)]
        at += [draw.choice(edges) + draw.choice((-1, 0, 1, -_SECOND_US)) for _ in range(2)]
        found += [(who, at_us) for at_us in at]
    found += [(None, draw.randrange(from_us, to_us)) for _ in range(max(2, tenants // 10))]
    return sorted(found, key=lambda one: one[1])


def _edges(zone: str, month: int) -> list[int]:
    """When the month begins there, and when clocks are changed in it."""
    its, day = zone_of(zone), first_of(month)
    edges = [midnight_us(day, its)]
    while day < first_of(month + 1):
        begin = midnight_us(day, its)
        day += timedelta(days=1)
        if midnight_us(day, its) - begin != 86_400 * _SECOND_US:
            edges += [_change(begin, midnight_us(day, its), zone), midnight_us(day, its)]
    return edges


def _change(from_us: int, to_us: int, zone: str) -> int:
    """The first instant with another offset."""
    its = zone_of(zone)
    offset = _offset(from_us, its)
    while to_us - from_us > 1:
        middle = (from_us + to_us) // 2
        if _offset(middle, its) == offset:
            from_us = middle
        else:
            to_us = middle
    return to_us


def _offset(us: int, its: object) -> timedelta | None:
    instant = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=us)
    return instant.astimezone(its).utcoffset()  # type: ignore[arg-type]


def _call(number: int, who: str | None, at_us: int, draw: random.Random) -> Entry:
    """A call with an odd amount, some of them with a mark-up, or billed in another currency."""
    amount = format_money(draw.randrange(10**11, ATTO // 5))
    used = draw.randrange(1, 10**6)
    lines = [line("input", used, amount)]
    billed_in = None
    if number % 7 == 0:
        lines.append(line("input", used, format_money(draw.randrange(10**10, ATTO // 9)), "price"))
    if number % 11 == 0:
        billed_in = draw.choice(("EUR", "JPY"))
        lines.append(line("input", used, format_money(draw.randrange(ATTO)), "price"))
    return entry(
        number,
        who,
        at_us,
        amount,
        lines=tuple(lines),
        usage={"input": used},
        model=draw.choice(_MODELS),
        billed_in=billed_in,
        absent="system" if who is None and number % 2 else None,
    )


def _corrected(one: Entry, draw: random.Random) -> Sequence[Entry]:
    """The entries that take a charge back and book it at another price; some are taken back for good."""
    lines = tuple(each._replace(quantity=-each.quantity, amount=-each.amount) for each in one.lines)
    facts = {"revision": one.revision + 1, "cause": "rerated"}
    number, tenant = int(one.charge_id, 16), one.attribution.tenant
    common = {"absent": one.attribution.absent, "model": one.model, **facts}
    usage = {leaf: -n for leaf, n in one.usage.items()}
    back = entry(
        number,
        tenant,
        one.occurred_us,
        format_money(-one.amount),
        lines=lines,
        usage=usage,
        billed_in=one.billed_in,
        **common,  # type: ignore[arg-type]
    )
    if draw.random() < 0.3:
        return [back]
    again = _call(number, tenant, one.occurred_us, draw)._replace(
        attribution=one.attribution, model=one.model, revision=one.revision + 2, cause="rerated"
    )
    return [back, again]
