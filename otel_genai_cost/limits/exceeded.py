"""What the rules say of an hour, and what is told of that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

__all__ = ["QUIET_H", "Exceeded", "Rule", "episodes"]

Rule = Literal["record", "organisation_share", "burn"]

QUIET_H: Final = 48
"""After so many hours without anything it is another episode, which is told anew."""


class Exceeded(NamedTuple):
    """More was spent in a window than is explained.

    Attributes:
        hour: the last of the window, since the epoch.
        rule: that noticed.
        hours: the window's length.
        observed: atto that were spent in it.
        expected: atto that were the most before, or that are usual.
    """

    hour: int
    rule: Rule
    hours: int
    observed: int
    expected: int


def episodes(found: Iterable[Exceeded], quiet_h: int = QUIET_H) -> Iterator[Exceeded]:
    """The first of each stretch: an alert is told once, not every hour.

    Args:
        found: in the order of time.
        quiet_h: how many hours without anything end a stretch.
    """
    last: int | None = None
    for one in found:
        if last is None or one.hour - last > quiet_h:
            yield one
        last = one.hour
