"""The record rule: somebody spent clearly more than ever in the last three weeks. Pure.

A sum over the last hours is compared with the largest such sum of the 21 days before it, so that whatever recurs
(office hours, a nightly job, the first of a week) is known after it was seen once, without a model of seasons.
docs/anomalies.md says what the windows and thresholds find, and what they let through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from otel_genai_cost.limits.exceeded import Exceeded
from otel_genai_cost.limits.hourly import DAY_H, sums
from otel_genai_cost.pricing.money import ATTO

__all__ = ["BEFORE_H", "KNOWN_H", "RECORD_WINDOWS", "Window", "records"]

BEFORE_H: Final = 21 * DAY_H
"""How far back the largest sum is looked for."""

KNOWN_H: Final = 14 * DAY_H
"""How long somebody has to be known before anything is a record."""


class Window(NamedTuple):
    """A window of the rule.

    Attributes:
        hours: its length.
        percent: of the largest sum before it, which has to be exceeded.
        least: atto by which it has to be exceeded.
    """

    hours: int
    percent: int
    least: int


RECORD_WINDOWS: Final = (
    Window(6, 170, 2 * ATTO),
    Window(24, 150, 5 * ATTO),
    Window(48, 127, 10 * ATTO),
)
"""A loop that runs away is seen by the first within an hour or two, a growth that lasts by the last within a day."""


def records(
    spent: Sequence[int],
    first_h: int,
    windows: Sequence[Window] = RECORD_WINDOWS,
    known_h: int = KNOWN_H,
) -> Iterator[Exceeded]:
    """Every hour at whose end one of the windows is a record, with the shortest such window.

    Args:
        spent: atto by hour, from the first in which there was any.
        first_h: that hour, since the epoch.
        windows: from the shortest to the longest.
        known_h: how many hours have to be known.
    """
    found: dict[int, Exceeded] = {}
    for window in windows:
        for one in _of_window(spent, first_h, window, known_h):
            found.setdefault(one.hour, one)
    return (found[hour] for hour in sorted(found))


def _of_window(
    spent: Sequence[int], first_h: int, window: Window, known_h: int
) -> Iterator[Exceeded]:
    ended = sums(spent, window.hours)
    largest: deque[int] = deque()  # places of sums, falling from the largest of the 21 days on
    for at in range(window.hours, len(spent)):
        before = at - window.hours  # the last place whose window does not overlap this one
        while largest and ended[largest[-1]] <= ended[before]:
            largest.pop()
        largest.append(before)
        if largest[0] <= before - BEFORE_H:
            largest.popleft()
        expected, observed = ended[largest[0]], ended[at]
        if at >= known_h and _is_exceeded(observed, expected, window):
            yield Exceeded(first_h + at, "record", window.hours, observed, expected)


def _is_exceeded(observed: int, expected: int, window: Window) -> bool:
    return observed - expected >= window.least and 100 * observed > window.percent * expected
