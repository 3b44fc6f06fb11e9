"""When letters are tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.alerts.schedule import DELAYS_S, next_try_us

_SECOND_US = 1_000_000


def test_the_schedule_is_the_one_that_is_promised() -> None:
    assert DELAYS_S == (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
    assert next_try_us("a", 8, 0, None) is None


@given(st.text(), st.integers(1, 7), st.integers(0, 1 << 60), st.integers(-5, 1 << 40))
def test_a_delay_is_the_promised_one_and_up_to_a_fifth_more_or_what_was_asked_for(
    one: str, tries: int, now_us: int, asked_s: int
) -> None:
    promised_us = DELAYS_S[tries - 1] * _SECOND_US
    due_us = next_try_us(one, tries, now_us, None)
    assert due_us is not None
    assert promised_us <= due_us - now_us <= promised_us * 6 // 5
    assert due_us == next_try_us(one, tries, now_us, 0)
    asked = next_try_us(one, tries, now_us, asked_s)
    assert asked == max(due_us, now_us + min(asked_s, DELAYS_S[-1]) * _SECOND_US)


def test_what_failed_together_does_not_come_back_together() -> None:
    assert len({next_try_us(str(n), 1, 0, None) for n in range(100)}) == 100
