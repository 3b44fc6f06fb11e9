"""Money: exact in, exact out, and refused where it cannot be exact."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.pricing.cost import rate_of
from otel_genai_cost.pricing.money import (
    ATTO,
    divide_half_even,
    format_money,
    parse_money,
    split_largest_remainder,
)

_amounts = st.integers(-(10**40), 10**40)


@given(_amounts)
def test_formatting_and_parsing_are_inverse(atto: int) -> None:
    text = format_money(atto)
    assert parse_money(text) == atto
    assert "E" not in text and "e" not in text
    assert not ("." in text and text.endswith("0"))


@given(st.integers(-(10**12), 10**12), st.integers(-18, 6))
def test_a_decimal_is_parsed_like_its_text(digits: int, exponent: int) -> None:
    amount = Decimal(digits).scaleb(exponent)
    with localcontext(Context(prec=3)):  # an application's own context must not round our money
        assert parse_money(amount) == parse_money(format(amount, "f"))


@pytest.mark.parametrize(
    ("amount", "atto"),
    [
        ("0", 0),
        ("-0.0", 0),
        ("2.50", 25 * ATTO // 10),
        ("1E-7", 10**11),
        ("+3", 3 * ATTO),
        ("0.000000000000000001", 1),
        ("1.0000000000000000000", ATTO),
        (7, 7 * ATTO),
        (Decimal("1e3"), 1000 * ATTO),
    ],
)
def test_amounts_are_read_exactly(amount: object, atto: int) -> None:
    assert parse_money(amount) == atto


@pytest.mark.parametrize(
    "amount",
    [
        *(1.5, 0.0, True, None, b"1", ["1"]),
        *("", " ", "x", "1,5", "NaN", "Infinity", "-inf", "1e999999999", "0x10", "1_000.5.5"),
        *("0.0000000000000000001", "9" * 61, Decimal("NaN"), Decimal("1e-19")),
    ],
)
def test_what_is_no_exact_amount_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match=r"money|decimal|finite|finer|characters"):
        parse_money(amount)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12))
def test_division_rounds_to_the_nearest_and_ties_to_even(numerator: int, denominator: int) -> None:
    quotient = divide_half_even(numerator, denominator)
    distance = 2 * abs(numerator - quotient * denominator)
    assert distance <= denominator
    assert distance < denominator or quotient % 2 == 0


@given(
    st.integers(-(10**24), 10**24),
    st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any),
)
def test_a_split_re_adds_and_is_fair(total: int, weights: list[int]) -> None:
    parts = split_largest_remainder(total, weights)
    assert sum(parts) == total
    assert len(parts) == len(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)


def test_a_split_gives_ties_to_the_earlier_part_and_mirrors_a_debt() -> None:
    assert split_largest_remainder(5, [1, 1, 1]) == (2, 2, 1)
    assert split_largest_remainder(-5, [1, 1, 1]) == (-2, -2, -1)


@pytest.mark.parametrize("weights", [[], [0, 0], [3, -1]])
def test_weights_that_cannot_share_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split_largest_remainder(7, weights)


def test_a_rate_that_does_not_divide_stays_a_fraction_and_rounds_once() -> None:
    hourly = rate_of("0.01", 3_600_000)  # 10^16 / 3,600,000 atto a millisecond: 2777777777.7…
    assert hourly.denominator == 3_600_000
    assert hourly.amount(1) == 2_777_777_778
    assert hourly.amount(3_600_000) == ATTO // 100
    assert rate_of("2.5", 1_000_000) == (2_500_000_000_000, 1, "2.5", 1_000_000)
