"""Six weeks of what three hundred tenants spend, with things in it that somebody should be told of.

Tenants differ by four orders of magnitude (Pareto), each with hours, week-ends and an unrest of its own: what it spends
in an hour is its usual times noise that remembers the hour before (AR). Planted are 30 runaways (six hours of three to
twelve hours' spend each), 15 times one tenant that spends as much as 35 % of the whole bill for six hours, and 30
doublings that last; each in a tenant of its own, after three weeks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Final, Literal, NamedTuple

from otel_genai_cost.limits.hourly import DAY_H, WEEK_H
from otel_genai_cost.pricing.money import ATTO

TENANTS: Final = 300
DAYS: Final = 42
HOURS: Final = DAYS * DAY_H
FIRST_H: Final = 490_000
"""The first hour, since the epoch."""

PLANTED_FROM_DAY: Final = 22

Kind = Literal["runaway", "share", "doubling"]
PLANTED: Final[Mapping[Kind, int]] = {"runaway": 30, "share": 15, "doubling": 30}

_USD_A_DAY: Final = 20.0
_PARETO: Final = 1.2
MEMORY: Final = 0.8
UNREST: Final = 0.25
_MOMENTS_H: Final = 6


class Planted(NamedTuple):
    """What was planted: in which tenant, and in which hours of the six weeks, half-open."""

    kind: Kind
    tenant: str
    from_h: int
    to_h: int


class Spending(NamedTuple):
    """Atto by tenant, in each hour of the six weeks, and what was planted."""

    tenants: dict[str, list[int]]
    planted: list[Planted]


def spending(seed: int, unrest: float = UNREST, memory: float = MEMORY) -> Spending:
    """Six weeks; the same arguments give the same.

    Args:
        seed: any number.
        unrest: how far tenants are from their usual: a deviation of the logarithm, of which each has 0.6 to 1.6 times.
        memory: how much of that is still there an hour later, from 0 to 1.
    """
    draw = Random(seed)
    tenants = {f"t{n}": _tenant(draw, unrest, memory) for n in range(TENANTS)}
    together = [math.fsum(hour) for hour in zip(*tenants.values(), strict=True)]
    names = draw.sample(sorted(tenants), sum(PLANTED.values()))
    planted = [
        _plant(draw, kind, names.pop(), tenants, together)
        for kind, count in PLANTED.items()
        for _ in range(count)
    ]
    return Spending(
        {
            name: [int(usd * 1e9) * (ATTO // 10**9) for usd in hours]
            for name, hours in tenants.items()
        },
        planted,
    )


def _tenant(draw: Random, unrest: float, memory: float) -> list[float]:
    """USD in each hour."""
    usual = _week(draw)
    a_day = _USD_A_DAY * draw.paretovariate(_PARETO)
    own = unrest * draw.uniform(0.6, 1.6)
    fresh = own * math.sqrt(1 - memory**2)
    mood, hours = draw.gauss(0, own), list[float]()
    for hour in range(HOURS):
        mood = memory * mood + draw.gauss(0, fresh)
        hours.append(a_day / DAY_H * usual[hour % WEEK_H] * math.exp(mood - own**2 / 2))
    return hours


def _week(draw: Random) -> list[float]:
    """What is usual in each hour of the week, 1 on average."""
    peak, swing, at_week_ends = (
        draw.choice((9, 14, 20)),
        draw.uniform(0.2, 0.9),
        draw.uniform(0.1, 0.9),
    )
    hours = [
        (1 + swing * math.cos((hour % DAY_H - peak) / DAY_H * math.tau))
        * (at_week_ends if hour >= 5 * DAY_H else 1)
        for hour in range(WEEK_H)
    ]
    mean = sum(hours) / WEEK_H
    return [hour / mean for hour in hours]


def _plant(
    draw: Random, kind: Kind, name: str, tenants: Mapping[str, list[float]], together: list[float]
) -> Planted:
    hours = tenants[name]
    from_h = draw.randrange(PLANTED_FROM_DAY * DAY_H, HOURS - 2 * DAY_H)
    to_h = HOURS if kind == "doubling" else from_h + _MOMENTS_H
    mean, times = sum(hours) / HOURS, draw.uniform(3, 12)
    for hour in range(from_h, to_h):
        if kind == "runaway":
            hours[hour] += times * mean
        elif kind == "share":
            hours[hour] += 0.35 * together[hour]
        else:
            hours[hour] *= 2
    return Planted(kind, name, from_h, to_h)
