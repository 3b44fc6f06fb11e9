"""What tenants have to come to where they bear what is nobody's by their cost, divided without the code under test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from otel_genai_cost.pricing.money import parse_money
from tests.faults.statements_sql import Expected

__all__ = ["Sums", "borne"]

Sums = dict[tuple[str, str, str], tuple[int, int]]
"""Atto of price and cost, by whose, month and currency."""

_NOBODYS: Final = ("unattributed", "system")


def borne(own: Expected) -> Sums:
    """What each comes to with its part: the sums by SQL, and what is nobody's in the same month and currency.

    Args:
        own: what entries come to.
    """
    sums: Sums = defaultdict(lambda: (0, 0))
    for (whose, month, _, currency), (price, cost, _) in own.items():
        was = sums[whose, month, currency]
        sums[whose, month, currency] = was[0] + parse_money(price), was[1] + parse_money(cost)
    for month, currency in sorted({key[1:] for key in sums}):
        weights = {
            whose: cost
            for (whose, *of), (_, cost) in sums.items()
            if of == [month, currency] and whose not in _NOBODYS and cost > 0
        }
        taken = [sums[whose, month, currency] for whose in _NOBODYS]
        for n, total in ((n, each[n]) for each in taken for n in (0, 1)):
            for whose, part in _divided(total, weights).items():
                was = sums[whose, month, currency]
                sums[whose, month, currency] = (
                    (was[0] + part, was[1]) if n == 0 else (was[0], was[1] + part)
                )
        for whose in _NOBODYS if weights else ():
            sums[whose, month, currency] = 0, 0
    return {key: value for key, value in sums.items() if any(value)}


def _divided(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """By the largest remainders, by name on ties; of an amount below 0 as of the one above."""
    whole, sign = sum(weights.values()), -1 if total < 0 else 1
    parts = {name: abs(total) * weight // whole for name, weight in weights.items()}
    rests = {name: abs(total) * weight % whole for name, weight in weights.items()}
    left = abs(total) - sum(parts.values())
    for name in sorted(weights, key=lambda one: (-rests[one], one))[:left]:
        parts[name] += 1
    return {name: sign * part for name, part in parts.items()}
