"""What changed from one period to another."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from otel_genai_cost.reports.tables import EXACT, Group

__all__ = ["Change", "by_key", "change"]


class Change(NamedTuple):
    """An amount beside what it was.

    Attributes:
        before: what it was; None where there was nothing.
        share: by what part of that it is more, or less; None where there was nothing, or nothing is known.
    """

    before: Decimal | None
    share: Decimal | None


def by_key(groups: Sequence[Group], name: str) -> dict[tuple[str, str | None], Group]:
    """Groups by their currency and the value of a dimension.

    Args:
        groups: of a report by that dimension alone.
        name: of it.
    """
    return {(one.currency, one.keys[name]): one for one in groups}


def change(now: Decimal | None, before: Decimal | None) -> Change:
    """What changed.

    Args:
        now: the amount; None where nothing is known.
        before: the one before, likewise.
    """
    if now is None or not before:
        return Change(before, None)
    return Change(before, EXACT.divide(EXACT.subtract(now, before), before))
