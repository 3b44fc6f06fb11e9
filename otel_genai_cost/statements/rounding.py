"""Rounding to what a currency can be paid in: a total once, and its lines so that they re-add to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from otel_genai_cost.pricing.money import ATTO, divide_half_even

__all__ = ["minor_unit", "payable_text", "rounded", "rounded_lines"]

_PLACES: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        (
            *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
            *("PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Decimal places of the minor unit by ISO 4217, of currencies that have other than two."""
_USUAL: Final = 2


def minor_unit(currency: str) -> int:
    """Atto of the smallest amount that is paid in a currency; a hundredth in units of one's own.

    Args:
        currency: an ISO 4217 code, or a unit of one's own.
    """
    return int(ATTO // 10 ** _PLACES.get(currency, _USUAL))


def rounded(exact: int, unit: int) -> int:
    """The nearest multiple of a unit, ties to the even one.

    Args:
        exact: atto.
        unit: atto, more than 0.
    """
    return divide_half_even(exact, unit) * unit


def rounded_lines(
    exact: Sequence[int], total: int, unit: int, before: Sequence[int | None] = ()
) -> tuple[int, ...]:
    """Each line as a multiple of the unit next to it, so that they re-add to the total: the largest remainders are
    rounded up, earlier lines first on ties.

    Args:
        exact: atto, of each line.
        total: their sum, rounded to the unit, or less than a unit from it.
        unit: atto, more than 0.
        before: what lines were rounded to that have not changed since, None for others. They stay as they are unless
            the rest cannot make up the total.

    Returns:
        Atto, of each line: multiples of the unit that sum to the total.

    Raises:
        ValueError: if the total is no multiple of the unit, or too far from the lines' sum.
    """
    if total % unit:
        raise ValueError(f"a total of {total} is no multiple of {unit}")
    kept = {place: amount for place, amount in enumerate(before) if amount is not None}
    open_places = [place for place in range(len(exact)) if place not in kept]
    parts = _apportioned([exact[n] for n in open_places], total - sum(kept.values()), unit)
    if parts is None:
        kept, open_places = {}, list(range(len(exact)))
        parts = _apportioned(exact, total, unit)
    if parts is None:
        raise ValueError(f"a total of {total} is no sum of lines next to {list(exact)!r}")
    made = {**kept, **dict(zip(open_places, parts, strict=True))}
    return tuple(made[place] for place in range(len(exact)))


def _apportioned(exact: Sequence[int], total: int, unit: int) -> list[int] | None:
    """The lines, rounded; None if no rounding to a neighbouring multiple re-adds to the total."""
    floors = [value // unit for value in exact]
    rests = [value % unit for value in exact]
    missing = total // unit - sum(floors)
    candidates = [place for place, rest in enumerate(rests) if rest]
    if not 0 <= missing <= len(candidates):
        return None
    lucky = set(sorted(candidates, key=lambda place: -rests[place])[:missing])
    return [(floor + (place in lucky)) * unit for place, floor in enumerate(floors)]


def payable_text(amount: int, currency: str) -> str:
    """The decimal string of a rounded amount, with all places of the currency's minor unit: 12.30.

    Args:
        amount: atto, a multiple of the minor unit.
        currency: of the amount.
    """
    places = _PLACES.get(currency, _USUAL)
    return f"{Decimal(amount // minor_unit(currency)).scaleb(-places):f}"
