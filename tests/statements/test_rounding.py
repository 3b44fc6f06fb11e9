"""Rounding: lines re-add to a total that is rounded once, and what did not change stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.pricing.money import ATTO, parse_money
from otel_genai_cost.statements.rounding import (
    minor_unit,
    payable_text,
    rounded,
    rounded_lines,
)

CENT = ATTO // 100
_amounts = st.integers(-(10**24), 10**24)
_near_cents = st.builds(
    lambda cents, rest: cents * CENT + rest,
    st.integers(-500, 500),
    st.sampled_from([0, 1, -1, CENT // 2, CENT // 2 + 1, CENT // 3]),
)
_lines = st.lists(st.one_of(_amounts, _near_cents), max_size=12)


@given(_lines, st.sampled_from(["USD", "JPY", "KWD", "CLF", "credits"]))
def test_lines_sum_to_the_total_and_none_is_a_unit_off(exact: list[int], currency: str) -> None:
    unit = minor_unit(currency)
    total = rounded(sum(exact), unit)
    lines = rounded_lines(exact, total, unit)
    assert sum(lines) == total
    assert abs(2 * (total - sum(exact))) <= unit
    for line, value in zip(lines, exact, strict=True):
        assert line % unit == 0
        assert abs(line - value) < unit


@given(st.lists(st.tuples(_near_cents, _near_cents, st.booleans()), max_size=8))
def test_what_did_not_change_stays_if_the_rest_can_make_up_the_total(
    pairs: list[tuple[int, int, bool]],
) -> None:
    old = [before for before, _, _ in pairs]
    was = rounded_lines(old, rounded(sum(old), CENT), CENT)
    new = [after if changes else before for before, after, changes in pairs]
    known = [None if changes else line for (_, _, changes), line in zip(pairs, was, strict=True)]
    total = rounded(sum(new), CENT)
    lines = rounded_lines(new, total, CENT, known)
    assert sum(lines) == total
    assert all(abs(line - value) < CENT for line, value in zip(lines, new, strict=True))
    kept = sum(line for line in known if line is not None)
    moving = [value for value, line in zip(new, known, strict=True) if line is None]
    least = sum(value // CENT for value in moving) * CENT
    most = sum(-(-value // CENT) for value in moving) * CENT
    if least <= total - kept <= most:
        assert all(a == b for a, b in zip(lines, known, strict=True) if b is not None)


@given(st.lists(_near_cents, min_size=1, max_size=8))
def test_only_largest_remainders_are_rounded_up(exact: list[int]) -> None:
    lines = rounded_lines(exact, rounded(sum(exact), CENT), CENT)
    up = [value % CENT for value, line in zip(exact, lines, strict=True) if line > value]
    down = [value % CENT for value, line in zip(exact, lines, strict=True) if line < value]
    assert not up or not down or min(up) >= max(down)


def test_ties_go_to_the_even_unit_and_to_earlier_lines() -> None:
    assert rounded(CENT // 2, CENT) == 0
    assert rounded(3 * CENT // 2, CENT) == 2 * CENT
    assert rounded(-CENT // 2, CENT) == 0
    assert rounded_lines([CENT // 2, CENT // 2], CENT, CENT) == (CENT, 0)


@pytest.mark.parametrize("total", [CENT + 1, 9 * CENT])
def test_a_total_that_no_lines_make_up_is_refused(total: int) -> None:
    with pytest.raises(ValueError, match="total"):
        rounded_lines([CENT, CENT], total, CENT)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("12.3", "USD", "12.30"),
        ("-0.05", "EUR", "-0.05"),
        ("12", "JPY", "12"),
        ("0", "KWD", "0.000"),
    ],
)
def test_amounts_have_all_places_of_their_currency(amount: str, currency: str, text: str) -> None:
    assert payable_text(parse_money(amount), currency) == text
