"""Ledgers with revenue, for the tests of margin: tenants of three plans, some of whom cost more than they bring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from tests.cli.homes import home_of, seconds_of
from tests.ledger.build import observe, tenant

__all__ = ["HEAD", "MarginHome", "make_margin"]

HEAD: Final = "tenant,from,to,amount,currency,kind,ref,feature,seats\n"
_FEATURES: Final = ("chat", "search", None)
_PLANS: Final = ("free", "team", "pro")
_DAY_S: Final = 86_400


class MarginHome(NamedTuple):
    """A ledger, what it was made of, its revenue as CSV, and which tenants lose money in October."""

    folder: Path
    observed: list[Observation]
    csv: str
    losers: frozenset[str]


def make_margin(folder: Path, tenants: int = 60, losers: int = 20, seed: int = 3) -> MarginHome:
    """Calls from 15 September to 15 November; an invoice a month for most tenants, none for every seventeenth."""
    random = Random(seed)
    names = [f"t{n:03d}" for n in range(tenants)]
    without = {name for n, name in enumerate(names) if n % 17 == 5}
    lossy = frozenset(random.sample([name for name in names if name not in without], losers))
    observed: list[Observation] = []
    first = seconds_of("2026-09-15T00:00:00Z")
    for name in [*names, None, None]:
        plan = _PLANS[hash_of(name or "") % 3]
        for _ in range(random.randint(8, 20)):
            at_s = first + random.randrange(61 * _DAY_S)
            n = len(observed) + 1
            observed.append(
                observe(
                    n,
                    trace=n,
                    start_s=at_s,
                    end_s=at_s + 1,
                    attribution=tenant(
                        name, feature=random.choice(_FEATURES) or "-none-", plan=plan
                    )
                    if name
                    else tenant(None),
                    tokens=(random.randint(10_000, 900_000), random.randint(0, 9_999)),
                    response_id=f"r{n}",
                )
            )
    rows = _rows(random, observed, names, without, lossy)
    return MarginHome(home_of(folder, observed), observed, HEAD + "".join(rows), lossy)


def hash_of(name: str) -> int:
    """The same in every process."""
    return sum(map(ord, name))


def _rows(
    random: Random,
    observed: Sequence[Observation],
    names: Sequence[str],
    without: set[str],
    lossy: frozenset[str],
) -> list[str]:
    """Each month's invoice, of an odd length, is a part or a multiple of what the tenant costs in a day."""
    found: list[str] = []
    cost = dict.fromkeys(names, 0)
    for one in observed:
        if (who := one.attribution.tenant) is not None:
            cost[who] += one.cost.total or 0
    begin = seconds_of("2026-09-01T00:00:00Z")
    for name in names:
        factor = random.randint(1, 20) if name in lossy else random.randint(400, 2_000)
        for month in range(3):
            if name in without:
                continue
            amount = cost[name] * factor // 300 + random.randrange(10**12)
            from_us = 1_795_000_000_000_000 + (begin + month * 30 * _DAY_S) * 1_000_000
            to_us = from_us + 30 * _DAY_S * 1_000_000
            seats = random.randint(1, 40) if month % 2 else ""
            kind = "seat" if seats else "flat"
            found.append(
                f"{name},{rfc3339(from_us)},{rfc3339(to_us)},{format_money(amount)},USD,{kind},"
                f"{name}-{month},,{seats}\n"
            )
    random.shuffle(found)
    return found
