"""The record rule, the rule of the organisation's share, and what is told of both."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.limits.exceeded import Exceeded, episodes
from otel_genai_cost.limits.hourly import DAY_H, WEEK_H, Profile, dense, sums
from otel_genai_cost.limits.record_rule import BEFORE_H, KNOWN_H, RECORD_WINDOWS, Window, records
from otel_genai_cost.limits.share_rule import shares, usual_sums
from otel_genai_cost.pricing.money import ATTO

_FIRST_H = 490_000
_HOUR = ATTO  # a dollar in every hour


def _steady(days: int, dollars: int = 1) -> list[int]:
    return [dollars * _HOUR] * (days * DAY_H)


def _told(spent: Sequence[int]) -> list[tuple[int, int]]:
    """The place and the window of each episode."""
    return [(one.hour - _FIRST_H, one.hours) for one in episodes(records(spent, _FIRST_H))]


def test_who_spends_as_ever_is_no_record() -> None:
    nightly = [(20 if hour % DAY_H == 3 else 1) * _HOUR for hour in range(40 * DAY_H)]
    weekly = [(20 if hour % WEEK_H < 8 else 1) * _HOUR for hour in range(40 * DAY_H)]
    for spent in (_steady(40), nightly, weekly):
        assert not list(records(spent, _FIRST_H))


def test_loop_that_runs_away_is_told_within_the_hour_and_once() -> None:
    spent = _steady(30)
    begins = 25 * DAY_H
    for hour in range(begins, begins + 6):
        spent[hour] += 10 * _HOUR
    assert _told(spent) == [(begins, 6)]
    first = next(records(spent, _FIRST_H))
    assert (first.observed, first.expected) == (16 * _HOUR, 6 * _HOUR)


def test_growth_that_lasts_is_told_once_and_is_then_how_it_is() -> None:
    begins = 25 * DAY_H
    spent = _steady(25) + [hour * 27 // 20 for hour in _steady(15)]
    ((at, window_h),) = _told(spent)
    assert begins < at < begins + 2 * DAY_H
    assert window_h == 48


def test_thresholds_are_exact() -> None:
    windows = [Window(1, 160, 2 * ATTO)]
    before = _steady(20, 10)
    assert not list(records([*before, 16 * _HOUR], _FIRST_H, windows))
    assert list(records([*before, 16 * _HOUR + 1], _FIRST_H, windows))
    cheap = [ATTO // 10] * (20 * DAY_H)
    assert not list(records([*cheap, ATTO // 10 + 2 * ATTO - 1], _FIRST_H, windows))
    assert list(records([*cheap, ATTO // 10 + 2 * ATTO], _FIRST_H, windows))


def test_who_is_not_known_yet_sets_no_record() -> None:
    spent = [0] * KNOWN_H
    spent[-1] = 1_000 * ATTO
    assert not list(records(spent, _FIRST_H))
    assert _told([ATTO, *spent])


def test_record_is_forgotten_after_three_weeks() -> None:
    spent = _steady(60)
    for day in (20, 30, 52):
        spent[day * DAY_H] += 20 * _HOUR
    assert [at // DAY_H for at, _ in _told(spent)] == [
        20,
        52,
    ]  # the second was no more than the first


def _slowly(spent: Sequence[int], window: Window) -> set[int]:
    """The rule by its words."""
    ended = {
        at: sum(spent[at - window.hours + 1 : at + 1]) for at in range(window.hours - 1, len(spent))
    }
    found: set[int] = set()
    for at in range(KNOWN_H, len(spent)):
        before = at - window.hours
        largest = max(
            (ended[e] for e in range(max(window.hours - 1, before - BEFORE_H + 1), before + 1)),
            default=0,
        )
        excess = ended[at] - largest
        if excess >= window.least and 100 * ended[at] > window.percent * largest:
            found.add(_FIRST_H + at)
    return found


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 700), st.integers(0, 60)), max_size=9)
)
def test_rule_is_what_its_words_say(seed: int, bursts: list[tuple[int, int]]) -> None:
    spent = [(seed >> hour % 31 & 3) * ATTO // 3 for hour in range(700)]
    for hour, dollars in bursts:
        if hour < len(spent):
            spent[hour] += dollars * ATTO
    for window in RECORD_WINDOWS:
        assert {one.hour for one in records(spent, _FIRST_H, [window])} == _slowly(spent, window)


def test_episode_ends_after_two_quiet_days() -> None:
    def at(hour: int) -> Exceeded:
        return Exceeded(hour, "record", 6, 2, 1)

    assert [one.hour for one in episodes(map(at, (1, 49, 97, 146)))] == [1, 146]


def test_tenant_behind_a_jump_of_the_bill_is_named_though_nobody_knows_it() -> None:
    others = _steady(30, 10)
    fresh = [0] * len(others)
    for hour in range(20 * DAY_H, 20 * DAY_H + 6):
        fresh[hour] = 4 * _HOUR
    usual = usual_sums([a + b for a, b in zip(others, fresh, strict=True)], _FIRST_H)
    found = list(shares(fresh, _FIRST_H, usual))
    # 12 of the 60 dollars that are usual in six hours, after the third
    assert found[0].hour == _FIRST_H + 20 * DAY_H + 2
    assert (found[0].observed, found[0].expected) == (12 * _HOUR, 0)
    assert not list(shares(others, _FIRST_H, usual))


def test_profile_is_flat_for_two_weeks_and_then_by_the_hour_of_the_week() -> None:
    profile, busy = Profile(), _FIRST_H + 5
    assert profile.usual(_FIRST_H) == 0
    for hour in range(_FIRST_H, _FIRST_H + 2 * WEEK_H):
        if hour == _FIRST_H + WEEK_H:  # one busy hour and 167 others are known
            flat = (100 * WEEK_H + WEEK_H - 1) // WEEK_H
            assert profile.usual(hour) == profile.usual(busy + WEEK_H) == flat
        profile.add(hour, 100 * WEEK_H if (hour - busy) % WEEK_H == 0 else 1)
    again = busy + 2 * WEEK_H
    assert (profile.usual(again), profile.usual(again + 1)) == (100 * WEEK_H, 1)
    profile.add(again, 10**9)  # one bad day is no habit
    assert profile.usual(again + WEEK_H) == 100 * WEEK_H


@given(st.lists(st.integers(-50, 50), max_size=60), st.integers(1, 12))
def test_sums_are_of_the_hours_that_there_are(spent: list[int], window_h: int) -> None:
    assert sums(spent, window_h) == [
        sum(spent[max(0, end - window_h) : end]) for end in range(1, len(spent) + 1)
    ]


def test_quiet_hours_are_hours() -> None:
    assert dense({5: 7, 8: 1}, 4, 9) == [0, 7, 0, 0, 1]
