"""A mark is crossed once an episode, whatever the sum does in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.limits.crossing import Crossing, Level, crossings

_MARKS = {"80": 80, "100": 100}


def _walk(sums: list[int], marks: list[dict[str, int]] | None = None) -> list[tuple[str, str, int]]:
    """What a sum crosses on its way from nothing; `marks` those of each step."""
    last: dict[str, Crossing] = {}
    found: list[tuple[str, str, int]] = []
    each = marks or [_MARKS] * len(sums)
    before = Level(0, {})
    for booked, names in zip(sums, each, strict=True):
        after = Level(booked, names)
        for one in crossings(before, after, last):
            last[one.mark] = one
            found.append((one.mark, one.direction, one.episode))
        before = after
    return found


def test_a_sum_that_comes_back_to_a_mark_does_not_cross_it() -> None:
    assert _walk([80, 100, 80]) == [("80", "up", 1), ("100", "up", 1), ("100", "down", 1)]


def test_all_that_is_passed_at_once_is_crossed_at_once_from_low_to_high() -> None:
    assert _walk([120]) == [("80", "up", 1), ("100", "up", 1)]
    assert _walk([120, 0])[2:] == [("80", "down", 1), ("100", "down", 1)]


def test_what_was_left_is_reached_in_another_episode() -> None:
    assert _walk([80, 79, 80, 79]) == [
        ("80", "up", 1),
        ("80", "down", 1),
        ("80", "up", 2),
        ("80", "down", 2),
    ]


def test_a_raised_limit_takes_back_and_a_mark_that_is_gone_too() -> None:
    twice = {"80": 160, "100": 200}
    assert _walk([90, 90, 165], [_MARKS, twice, twice]) == [
        ("80", "up", 1),
        ("80", "down", 1),
        ("80", "up", 2),
    ]
    assert _walk([90, 90], [_MARKS, {}]) == [("80", "up", 1), ("80", "down", 1)]


def test_nothing_spent_reaches_not_even_a_limit_of_nothing() -> None:
    assert _walk([0, -1], [{"100": 0}] * 2) == []
    assert _walk([1], [{"100": 0}]) == [("100", "up", 1)]


def test_sums_that_are_made_anew_cross_nothing_that_was_crossed() -> None:
    last = {"80": Crossing("80", "up", 3)}
    assert crossings(Level(0, _MARKS), Level(10, _MARKS), last) == []
    assert crossings(Level(10, _MARKS), Level(90, _MARKS), last) == []


@given(st.lists(st.integers(-10, 150), max_size=30))
def test_ups_and_downs_alternate_and_end_where_the_sum_is(sums: list[int]) -> None:
    found = _walk(sums)
    for mark, amount in _MARKS.items():
        mine = [(direction, episode) for name, direction, episode in found if name == mark]
        expected = [(way, n) for n in range(1, len(mine) + 1) for way in ("up", "down")]
        assert mine == expected[: len(mine)]
        assert (len(mine) % 2 == 1) == (bool(sums) and sums[-1] >= amount)
