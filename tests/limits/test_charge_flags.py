"""Flags of single calls: each threshold from both sides, and nothing by what comes later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.limits.charge_flags import Call, Flagged, flagged
from otel_genai_cost.limits.recent import DAY_US, Recent

_MINUTE_US = 60_000_000
_CALL = Call("", 0, "acme", "chat", None, "openai", "gpt-4o", 1_000, 0)


def _every(minutes: int, count: int, first_us: int = 0, **changes: Any) -> Iterator[Call]:
    for n in range(count):
        yield _CALL._replace(at_us=first_us + n * minutes * _MINUTE_US, **changes)


def _flags(*calls: Call) -> list[Flagged]:
    return list(flagged(calls))


@pytest.mark.parametrize(
    ("known", "tokens", "is_large"),
    [(100, 4_001, True), (100, 4_000, False), (99, 400_000, False)],
)
def test_large_prompt(known: int, tokens: int, is_large: bool) -> None:
    found = _flags(*_every(1, known), _CALL._replace(at_us=DAY_US, input_tokens=tokens))
    assert [(one.flag, one.observed, one.expected) for one in found] == (
        [("large_prompt", tokens, 1_000)] if is_large else []
    )


def test_large_prompt_is_one_beside_its_own_tenant_feature_and_model() -> None:
    for changes in ({"tenant": "globex"}, {"feature": None}, {"model": "o4-mini"}):
        odd = _CALL._replace(at_us=DAY_US, input_tokens=10**6, **changes)
        assert not _flags(*_every(1, 100), odd)


def test_large_prompts_that_are_usual_are_none() -> None:
    """One call of a hundred is as large: more than 0.5 %."""
    calls = [
        call._replace(input_tokens=9_000 if n % 100 == 50 else 1_000)
        for n, call in enumerate(_every(1, 500))
    ]
    assert not _flags(*calls)


def test_large_prompts_of_a_month_ago_are_forgotten() -> None:
    old = _every(1, 100, input_tokens=50_000)
    new = _every(1, 100, 29 * DAY_US)
    odd = _CALL._replace(at_us=30 * DAY_US, input_tokens=50_000)
    assert [one.flag for one in _flags(*old, *new, odd)] == ["large_prompt"]


@pytest.mark.parametrize(
    ("asked", "answered", "is_fallback"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", False),
        ("gpt-4o", "gpt-4o-mini", True),
        ("gpt-4", "gpt-4.1", True),
        ("GPT-4o", "gpt-4o", False),
        ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929", False),
        ("gemini-flash-latest", "gemini-flash-002", False),
        ("gemini-flash", "gemini-flash-latest", False),
        ("gpt-4o-2024-08-06", "gpt-4o", False),
        ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", True),
    ],
)
def test_model_that_answers_by_its_whole_name_is_no_other(
    asked: str, answered: str, is_fallback: bool
) -> None:
    failed = _CALL._replace(action="a", failed_asking=asked)
    then = _CALL._replace(at_us=1, action="a", model=answered)
    assert bool(_flags(failed, then)) is is_fallback


@pytest.mark.parametrize(
    ("seconds", "model", "action", "is_fallback"),
    [
        (60, "gpt-4o-mini", "a", True),
        (61, "gpt-4o-mini", "a", False),
        (1, "gpt-4o-2024-08-06", "a", False),
        (1, "gpt-4o-mini", "b", False),
    ],
)
def test_fallback(seconds: int, model: str, action: str, is_fallback: bool) -> None:
    failed = _CALL._replace(action="a", failed_asking="gpt-4o-2024-08-06", input_tokens=0)
    then = _CALL._replace(at_us=seconds * 1_000_000, model=model, action=action)
    found = _flags(failed, then, then._replace(at_us=then.at_us + 1))
    assert [(one.flag, one.observed, one.expected) for one in found] == (
        [("fallback", model, "gpt-4o-2024-08-06")] if is_fallback else []
    )


def test_call_that_failed_again_keeps_what_was_asked_for_last() -> None:
    first = _CALL._replace(action="a", failed_asking="gpt-4o")
    second = first._replace(at_us=1, failed_asking="claude-sonnet-4-5")
    third = _CALL._replace(at_us=2, action="a", model="gemini-2.5-pro")
    assert [one.expected for one in _flags(first, second, third)] == ["claude-sonnet-4-5"]


def _actions(count: int, calls: int) -> Iterator[Call]:
    for n in range(count):
        yield from _every(1, calls, n * 10 * _MINUTE_US, action=f"a{n}")


def test_runaway_action() -> None:
    usual = [*_actions(20, 3)]
    runaway = [*_every(1, 33, 3 * DAY_US, action="r")]
    found = _flags(*usual, *runaway)
    assert [(one.flag, one.observed, one.expected) for one in found] == [
        ("runaway_action", n, 3) for n in (31, 32, 33)
    ]
    assert not _flags(*_actions(19, 3), *runaway)
    assert not _flags(*usual, *_every(1, 33, 3 * DAY_US, action="r", feature="other"))


def test_actions_that_go_on_are_not_usual_yet() -> None:
    assert not _flags(*_actions(20, 3), *_every(1, 33, 600 * _MINUTE_US, action="r"))


def test_cache_lost() -> None:
    warm = [*_every(30, 200, cached_tokens=600)]
    cold = [*_every(10, 60, 5 * DAY_US, cached_tokens=100)]
    found = _flags(*warm, *cold)
    assert {one.flag for one in found} == {"cache_lost"}
    assert found[0].expected == 600
    assert isinstance(found[0].observed, int)
    assert found[0].observed <= 300
    assert found[0].call.at_us < 5 * DAY_US + 6 * 60 * _MINUTE_US


def test_cache_that_was_little_use_is_not_lost() -> None:
    for cached, then in ((190, 0), (600, 301)):
        warm = _every(30, 200, cached_tokens=cached)
        assert not _flags(*warm, *_every(10, 60, 5 * DAY_US, cached_tokens=then))


def test_call_that_the_cache_served_is_not_flagged() -> None:
    warm, cold = _every(30, 200, cached_tokens=600), _every(10, 60, 5 * DAY_US)
    served = _CALL._replace(at_us=5 * DAY_US + 601 * _MINUTE_US, cached_tokens=900)
    assert served not in [one.call for one in _flags(*warm, *cold, served)]


def test_over_rate() -> None:
    (found,) = _flags(_CALL._replace(paced_s=7))
    assert (found.flag, found.observed) == ("over_rate", 7)


@given(
    st.lists(
        st.builds(
            lambda minutes, **changes: _CALL._replace(at_us=minutes * _MINUTE_US, **changes),
            st.integers(0, 2_000),
            input_tokens=st.sampled_from([0, 10, 1_000, 100_000]),
            cached_tokens=st.sampled_from([0, 5]),
            action=st.sampled_from([None, "a", "b"]),
            failed_asking=st.sampled_from([None, None, "o4-mini"]),
        ),
        max_size=60,
    ),
    st.integers(0, 60),
)
def test_what_comes_later_changes_no_flag(calls: list[Call], cut: int) -> None:
    calls.sort(key=lambda call: call.at_us)
    early, every = _flags(*calls[:cut]), _flags(*calls)
    assert every[: len(early)] == early


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 99)), min_size=1, max_size=80))
def test_recent_numbers_are_those_of_28_days(days: list[tuple[int, int]]) -> None:
    recent, days = Recent(), sorted(days)
    for day, number in days:
        recent.forget(day * DAY_US)
        recent.add(day * DAY_US, number)
    kept = sorted(number for day, number in days if day >= days[-1][0] - 28)
    assert len(recent) == len(kept)
    assert recent.rank(500) == kept[(len(kept) + 1) // 2 - 1]
    assert (recent.rank(1), recent.rank(1000)) == (kept[0], kept[-1])
