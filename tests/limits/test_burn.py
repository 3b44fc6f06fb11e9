"""How fast budgets burn: in both windows, by the week of whoever spends."""

from __future__ import annotations

import pytest

from otel_genai_cost.limits.burn import SLOT_US, burns
from otel_genai_cost.limits.exceeded import episodes
from otel_genai_cost.limits.hourly import DAY_H, HOUR_US, WEEK_H
from otel_genai_cost.pricing.money import ATTO

_SLOTS = HOUR_US // SLOT_US
_MONDAY_H = 490_000 // WEEK_H * WEEK_H + 4 * DAY_H
"""Hour 0 was a Thursday."""
_MONTH_US = (0, 30 * DAY_H * HOUR_US)
_LIMIT = 720 * ATTO  # a dollar in every hour of the month


def _steady(days: int, an_hour: int = ATTO) -> dict[int, int]:
    first = _MONDAY_H * _SLOTS
    return {slot: an_hour // _SLOTS for slot in range(first, first + days * DAY_H * _SLOTS)}


def _burst(spent: dict[int, int], hour: int, slots: int, dollars: int) -> None:
    for slot in range(hour * _SLOTS, hour * _SLOTS + slots):
        spent[slot] = spent.get(slot, 0) + dollars * ATTO


def _windows(spent: dict[int, int], limit: int = _LIMIT) -> list[tuple[int, int]]:
    """The hour, from Monday on, and the window of each episode."""
    found = episodes(burns(spent, limit, _MONTH_US))
    return [(one.hour - _MONDAY_H, one.hours) for one in found]


def test_even_pace_is_no_alert() -> None:
    assert not _windows(_steady(30))


@pytest.mark.parametrize(
    ("dollars_an_hour", "hours", "window_h"), [(25, 1, 1), (11, 6, 6), (2, 72, 72)]
)
def test_each_window_sees_its_rate(dollars_an_hour: int, hours: int, window_h: int) -> None:
    spent = _steady(20, ATTO // 4)
    for hour in range(15 * DAY_H, 15 * DAY_H + hours):
        for slot in range(_SLOTS):
            spent[(_MONDAY_H + hour) * _SLOTS + slot] = dollars_an_hour * ATTO // _SLOTS
    ((at, found_h),) = _windows(spent, 1_200 * ATTO)
    assert found_h == window_h
    assert 15 * DAY_H <= at <= 15 * DAY_H + hours


def test_what_is_over_already_is_no_alert() -> None:
    first = (_MONDAY_H + 24) * _SLOTS
    spent = {first: 16 * ATTO, first + 6: ATTO // 100}
    assert [one.hour for one in burns(spent, _LIMIT, _MONTH_US)] == [_MONDAY_H + 24]
    del spent[first]
    spent[first - 6] = 16 * ATTO
    found = [one for one in burns(spent, _LIMIT, _MONTH_US) if one.hours == 1]
    assert len(found) == 1  # by the burst itself, not by the cent half an hour later


def test_little_money_is_no_alert() -> None:
    spent = {_MONDAY_H * _SLOTS: ATTO - 1}
    assert not list(burns(spent, 10 * ATTO, _MONTH_US))
    spent[_MONDAY_H * _SLOTS] += 1
    assert list(burns(spent, 10 * ATTO, _MONTH_US))
    # and of a large budget half a per cent
    assert not list(burns({_MONDAY_H * _SLOTS: 4 * ATTO}, 1_000 * ATTO, (0, 400 * DAY_H * HOUR_US)))


def test_who_works_on_weekdays_and_keeps_the_budget_is_left_in_peace() -> None:
    """By the clock alone Tuesday to Thursday burn at 1.4."""
    spent: dict[int, int] = {}
    for day in range(42):
        if day % 7 < 5:
            for hour in range(DAY_H):
                _burst(spent, _MONDAY_H + day * DAY_H + hour, 1, 1)
    budget = 22 * DAY_H * ATTO  # of about as many working days in a month
    told = [at // DAY_H for at, _ in _windows(spent, budget)]
    assert told  # in the first two weeks nothing is known of its week yet
    assert max(told) < 14


def test_nothing_spent_burns_nothing() -> None:
    assert not list(burns({}, _LIMIT, _MONTH_US))
