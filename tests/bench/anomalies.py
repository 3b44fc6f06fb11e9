"""What the rules of `genai-cost anomalies` find in six simulated weeks, and how often they are wrong, beside LiteLLM's.

    python -m tests.bench.anomalies [--unrest 0.25] [--memory 0.8] [SEED…]

prints for each seed, and for all, how many of what was planted each rule found, the median delay, and the false alerts
a day. Seeds 501 to 506, the default, were looked at only when the rules stood. LiteLLM's rule is simulated as
its documentation has it: a tenant's spend of today is above three times its mean of the seven days before, and at
least 10 USD; it is checked at the end of each hour and told once a day.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from otel_genai_cost.limits.hourly import DAY_H, HOUR_US
from otel_genai_cost.limits.unusual import alerts_of
from otel_genai_cost.pricing.money import ATTO
from tests.bench.measure import Result
from tests.bench.spending import (
    DAYS,
    FIRST_H,
    HOURS,
    MEMORY,
    PLANTED,
    UNREST,
    Kind,
    Spending,
    spending,
)

SEEDS: Final = (501, 502, 503, 504, 505, 506)

LEAST: Final[dict[Kind, float]] = {"runaway": 0.75, "share": 0.95, "doubling": 0.9}
"""The share of each kind that has to be found."""

FALSE_MOST: Final = 0.7
"""The median of false alerts a day that is bearable for three hundred tenants."""

_AFTER_H: Final = DAY_H
"""An alert so long after what was planted is still of that: a sum of the last 24 hours knows of it."""

_JUDGED_FROM_DAY: Final = 14
"""From when on false alerts are counted: before, no rule of ours says anything."""

Told = tuple[str, int]
"""A tenant, and the hour at whose end it was told."""

Rules = Callable[[Spending], list[Told]]


class Score(NamedTuple):
    """Of one seed: of each kind how many were found, and the delays in hours; and the false alerts a day."""

    found: dict[Kind, int]
    delays_h: dict[Kind, list[int]]
    false_a_day: float


def ours(found: Spending) -> list[Told]:
    """The alerts of the rules as the command works them out."""
    tenants: dict[str | None, dict[int, int]] = {
        name: dict(enumerate(hours, FIRST_H)) for name, hours in found.tenants.items()
    }
    last_us = (FIRST_H + HOURS) * HOUR_US - 1
    return [
        (alert.scope.removeprefix("tenant="), -(-alert.at_us // HOUR_US) - 1 - FIRST_H)
        for alert in alerts_of(tenants, "USD", last_us)
    ]


def litellms(times: int) -> Rules:
    """LiteLLM's rule: `times` the mean of seven days, 3 by default."""

    def told(found: Spending) -> list[Told]:
        return [
            (name, hour)
            for name, hours in found.tenants.items()
            for day in range(7, DAYS)
            if (hour := _passed(hours, day, times)) is not None
        ]

    return told


def _passed(hours: Sequence[int], day: int, times: int) -> int | None:
    """The hour of a day at whose end the rule says so."""
    first = day * DAY_H
    week, today = sum(hours[first - 7 * DAY_H : first]), 0
    for hour in range(first, first + DAY_H):
        today += hours[hour]
        if 7 * today > times * week and today >= 10 * ATTO:
            return hour
    return None


RULES: Final[dict[str, Rules]] = {
    "ours": ours,
    "LiteLLM": litellms(3),
    "LiteLLM at 2x": litellms(2),
}


def score(simulated: Spending, told: Sequence[Told]) -> Score:
    """What alerts are worth.

    Args:
        simulated: the weeks, with what was planted.
        told: the alerts.
    """
    found: dict[Kind, int] = dict.fromkeys(PLANTED, 0)
    delays: dict[Kind, list[int]] = {kind: [] for kind in PLANTED}
    true: set[Told] = set()
    for one in simulated.planted:
        mine = [t for t in told if t[0] == one.tenant and one.from_h <= t[1] < one.to_h + _AFTER_H]
        true.update(mine)
        if mine:
            found[one.kind] += 1
            delays[one.kind].append(min(hour for _, hour in mine) - one.from_h)
    judged = [t for t in told if t not in true and t[1] >= _JUDGED_FROM_DAY * DAY_H]
    return Score(found, delays, len(judged) / (DAYS - _JUDGED_FROM_DAY))


def scores(
    seeds: Sequence[int], unrest: float = UNREST, memory: float = MEMORY
) -> dict[str, list[Score]]:
    """Of each rule, one for each seed.

    Args:
        seeds: of the simulated weeks.
        unrest, memory: of their tenants, see `spending`.
    """
    every = dict[str, list[Score]]()
    for seed in seeds:
        simulated = spending(seed, unrest, memory)
        for name, rules in RULES.items():
            every.setdefault(name, []).append(score(simulated, rules(simulated)))
    return every


def share_found(every: Sequence[Score], kind: Kind) -> float:
    """Of all that was planted of a kind."""
    return sum(one.found[kind] for one in every) / (len(every) * PLANTED[kind])


def anomalies() -> Iterator[Result]:
    """Rows for `make bench`: shares found and the median of false alerts a day, LiteLLM's rule as the peer."""
    every = scores(SEEDS)
    mine, theirs = every["ours"], every["LiteLLM"]
    for kind, least in LEAST.items():
        found, peer = share_found(mine, kind), share_found(theirs, kind)
        yield Result(
            f"anomalies: {kind} found",
            found,
            peer,
            "LiteLLM's rule",
            "share",
            found / least,
            ">= 1.00",
            0.0,
        )
    false = statistics.median(one.false_a_day for one in mine)
    yield Result(
        "anomalies: false alerts a day, 300 tenants",
        false,
        statistics.median(one.false_a_day for one in theirs),
        "LiteLLM's rule",
        "1/day",
        false / FALSE_MOST,
        "<= 1.00",
        0.0,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--unrest", type=float, default=UNREST)
    parser.add_argument("--memory", type=float, default=MEMORY)
    asked = parser.parse_args()
    seeds: Sequence[int] = asked.seeds
    every = scores(seeds, asked.unrest, asked.memory)
    heads = "".join(f"{kind + ' of ' + str(count):>18}" for kind, count in PLANTED.items())
    print(f"{'':16}{'seed':>6}{heads}{'false/day':>12}")
    for name, found in every.items():
        for seed, one in zip(seeds, found, strict=True):
            cells = "".join(f"{_cell(one.found[kind], one.delays_h[kind]):>18}" for kind in PLANTED)
            print(f"{name:16}{seed:>6}{cells}{one.false_a_day:>12.2f}")
        shares = "".join(f"{share_found(found, kind):>18.2f}" for kind in PLANTED)
        print(
            f"{name:16}{'all':>6}{shares}{statistics.median(s.false_a_day for s in found):>12.2f}"
        )


def _cell(found: int, delays_h: Sequence[int]) -> str:
    return f"{found} ({statistics.median(delays_h):.0f} h)" if delays_h else "0"


if __name__ == "__main__":
    main()
