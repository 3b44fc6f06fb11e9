"""Money is an integer: 1e-18 of the currency unit ("atto"). Decimal or string at the API, never float.

Why 1e-18: list prices per token are exact at 1e-12, batch halves and regional uplifts need 1e-14, contracts
more. int64 would end at 9.22 currency units, so stores hold decimal strings or DECIMAL(38,18).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

__all__ = [
    "ATTO",
    "divide_half_even",
    "format_money",
    "money_in",
    "parse_money",
    "readding",
    "split_largest_remainder",
]

_PLACES: Final = 18
ATTO: Final = 10**_PLACES
_ZEROS: Final = tuple("0." + "0" * (_PLACES - digits) for digits in range(_PLACES + 1))
"""What stands before so many digits of less than one unit."""

_MONEY_TEXT_LIMIT: Final = 60
"""Characters of a decimal string; more is hostile input, not money."""


def parse_money(amount: object) -> int:
    """The atto integer of a decimal amount in currency units: a str, Decimal or int.

    Raises:
        ValueError: for anything else (floats included) and for more than 18 decimal places.
    """
    text = amount if type(amount) is str else _text_of(amount)
    units, _, fraction = text.partition(".")
    is_usual = units.isdecimal() and (not fraction or fraction.isdecimal()) and text.isascii()
    if is_usual and len(units) < 30 and len(fraction) <= _PLACES:  # as `format_money` writes it
        return int(units + fraction.ljust(_PLACES, "0"))
    if len(text) > _MONEY_TEXT_LIMIT:
        raise ValueError(f"money of {len(text)} characters")
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        raise ValueError(f"not a decimal amount: {text!r}") from None
    if not isinstance(exponent, int) or abs(exponent) > _MONEY_TEXT_LIMIT:
        raise ValueError(f"not a finite amount: {text!r}")
    value = int("".join(map(str, digits)) or "0")
    places = exponent + 18
    if places < 0:
        value, rest = divmod(value, 10**-places)
        if rest:
            raise ValueError(f"finer than 1e-18: {text!r}")
        places = 0
    return (-value if sign else value) * int(10**places)


def _text_of(amount: object) -> str:
    if isinstance(amount, bool) or not isinstance(amount, (str, Decimal, int)):
        raise ValueError(f"money is a decimal string, Decimal or int, not {amount!r}")
    return str(amount)


def money_in(value: object) -> int | None:
    """Atto of what somebody wrote; None if that is no amount.

    Args:
        value: anything.
    """
    try:
        return parse_money(value)
    except ValueError:
        return None


def format_money(atto: int) -> str:
    """The decimal string of an atto integer: no exponent, no trailing zeros. To look for it among those of before would
    take longer than to write it again."""
    if atto < 0:
        return "-" + format_money(-atto)
    digits = str(atto)
    if len(digits) <= _PLACES:
        return (_ZEROS[len(digits)] + digits).rstrip("0") if atto else digits
    return f"{digits[:-_PLACES]}.{digits[-_PLACES:]}".rstrip("0").rstrip(".")


def divide_half_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` to the nearest integer, ties to even; `denominator` > 0."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def split_largest_remainder(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Split an integer by weights so that the parts re-add to it exactly.

    The units left over by rounding down go to the largest remainders, earlier parts first on ties. Weights are
    ints >= 0 with a sum > 0; a negative total is split as the mirror of its absolute value.
    """
    if total < 0:
        return tuple(-part for part in split_largest_remainder(-total, weights))
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError(f"weights must be >= 0 and sum to more than 0: {list(weights)!r}")
    parts, rests = zip(*(divmod(total * weight, whole) for weight in weights), strict=True)
    order = sorted(range(len(weights)), key=lambda n: -rests[n])
    lucky = set(order[: total - sum(parts)])
    return tuple(part + (n in lucky) for n, part in enumerate(parts))


def readding(values: Sequence[int], unit: int) -> tuple[int, ...]:
    """Values in whole units that re-add to their sum, which is rounded half to even: each is one of the two next to it,
    and those with the largest remainders, earlier ones first on ties, are rounded up.

    Args:
        values: integers, in parts of which `unit` are one.
        unit: more than 0.
    """
    floors, rests = [value // unit for value in values], [value % unit for value in values]
    missing = divide_half_even(sum(values), unit) - sum(floors)
    lucky = set(sorted(range(len(values)), key=lambda n: -rests[n])[:missing])
    return tuple(floor + (n in lucky) for n, floor in enumerate(floors))
