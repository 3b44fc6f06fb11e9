"""The rule of the organisation's share: what one tenant spends more than usual is much of what all spend. Pure.

It says who is behind a jump of the whole bill, also where that is a tenant of whom nothing is known yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from otel_genai_cost.limits.exceeded import Exceeded
from otel_genai_cost.limits.hourly import DAY_H, Profile, sums
from otel_genai_cost.pricing.money import ATTO

__all__ = ["SHARE_H", "SHARE_PERCENT", "shares", "usual_sums"]

SHARE_H: Final = 6
SHARE_PERCENT: Final = 20
"""Of what is usual for the whole organisation in the same hours."""

_LEAST: Final = 5 * ATTO
_KNOWN_H: Final = 14 * DAY_H


def usual_sums(spent: Sequence[int], first_h: int) -> list[int]:
    """For each hour what is usual in the six hours that end with it.

    Args:
        spent: atto by hour.
        first_h: the first of them, since the epoch.
    """
    profile, usual = Profile(), list[int]()
    for hour, amount in enumerate(spent, first_h):
        usual.append(profile.usual(hour))
        profile.add(hour, amount)
    return sums(usual, SHARE_H)


def shares(spent: Sequence[int], first_h: int, usual_for_all: Sequence[int]) -> Iterator[Exceeded]:
    """Every hour at whose end a tenant's excess over what is usual for it is a large share of what is usual for all.

    Args:
        spent: atto by hour, of one tenant, in all hours that the organisation is known.
        first_h: the first of them, since the epoch.
        usual_for_all: of the whole organisation, see `usual_sums`.
    """
    usual = usual_sums(spent, first_h)
    for at, observed in enumerate(sums(spent, SHARE_H)):
        excess = observed - usual[at]
        if (
            at >= _KNOWN_H
            and excess >= _LEAST
            and 100 * excess >= SHARE_PERCENT * usual_for_all[at]
        ):
            yield Exceeded(first_h + at, "organisation_share", SHARE_H, observed, usual[at])
