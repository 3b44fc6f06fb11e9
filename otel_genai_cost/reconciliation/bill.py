"""What a provider's bill says: lines as importers read them, and the cells that they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar, get_args

from otel_genai_cost.pricing.money import ATTO

__all__ = [
    "KINDS",
    "BillLine",
    "BillLineKind",
    "Billed",
    "Cell",
    "Money",
    "billed_cells",
    "cell_of",
    "money_of",
    "plus",
    "with_usage",
]

_Number = TypeVar("_Number", int, Fraction)

BillLineKind: TypeAlias = Literal["usage", "discount", "credit", "tax", "rounding"]
"""What a line of a bill is for."""

KINDS: Final[tuple[BillLineKind, ...]] = get_args(BillLineKind)

_TEXT_MAX: Final = 60
_EXPONENT_MAX: Final = 3
_AMOUNT_LIMIT: Final = 10**15
"""Units of a currency."""

_LEAST: Final = 10**16
"""Atto: the cent, to which a bill may round whatever digits it prints."""


class Money(NamedTuple):
    """An amount as a bill prints it, in atto, and the unit of its last digit: what it may be off by for rounding."""

    atto: int
    unit: int


class BillLine(NamedTuple):
    """One line of a bill.

    Attributes:
        day: of the provider's calendar, 2026-10-03.
        kind: what it is for.
        model: as the bill names it; None if it names none.
        token_type: a leaf; None if the line is of none.
        key: the API key or project; None if the bill does not say.
        tier: `batch`, `flex`, `priority`; "" for the standard.
        quantity: of the leaf's units; None if the bill does not say.
        amount: what is to be paid; None on a report of usage, which knows no money.
        list_amount: before discounts; None if the bill does not say.
        currency: ISO 4217 code.
        final: whether the provider will not change it any more.
        what: the line in the bill's own words.
        provider: as OpenTelemetry names it; None if the bill as a whole is of one.
    """

    day: str
    kind: BillLineKind
    model: str | None
    token_type: str | None
    key: str | None
    tier: str
    quantity: Fraction | None
    amount: Money | None
    list_amount: int | None
    currency: str
    final: bool
    what: str = ""
    provider: str | None = None


class Cell(NamedTuple):
    """What a bill's lines are added up by."""

    day: str
    kind: BillLineKind
    model: str | None
    token_type: str | None
    key: str | None
    tier: str
    currency: str
    what: str = ""
    """The bill's own words, where neither a model nor a leaf says what it is."""


class Billed(NamedTuple):
    """What a bill says of a cell. `quantity`, `amount` and `list_amount` are None where it does not say; `slack` is
    what rounding may account for, in atto."""

    quantity: Fraction | None
    amount: int | None
    list_amount: int | None
    slack: int
    final: bool
    is_worked_out: bool = False


def money_of(value: object, hundredths: bool = False) -> Money:
    """The amount that a bill prints, rounded half-even at 1e-18 where it is finer.

    Args:
        value: a decimal text, Decimal or int.
        hundredths: whether it is in hundredths of the currency's unit.

    Raises:
        ValueError: if it is no amount.
    """
    text = str(value).strip()
    if not _is_number(text):
        raise ValueError(f"not an amount: {text[:_TEXT_MAX]!r}")
    places = _places(text) + (2 if hundredths else 0)
    whole = Fraction(text) / (100 if hundredths else 1)
    if abs(whole) >= _AMOUNT_LIMIT:
        raise ValueError(f"no bill is of so much: {text!r}")
    return Money(round(whole * ATTO), 10 ** min(36, max(0, 18 - places)))


def _is_number(text: str) -> bool:
    mantissa, e, exponent = text.removeprefix("-").lower().partition("e")
    is_exponent = not e or (exponent.lstrip("+-").isdecimal() and len(exponent) <= _EXPONENT_MAX)
    is_short = text.isascii() and len(text) <= _TEXT_MAX
    return is_short and is_exponent and mantissa.replace(".", "", 1).isdecimal()


def _places(text: str) -> int:
    """Decimal places of what is printed."""
    mantissa, _, exponent = text.lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def billed_cells(lines: Iterable[BillLine]) -> dict[Cell, Billed]:
    """The cells of a bill.

    Args:
        lines: in any order.
    """
    found: dict[Cell, Billed] = {}
    for line in lines:
        cell = cell_of(line)
        amount = None if line.amount is None else line.amount.atto
        slack = 0 if line.amount is None else min(line.amount.unit, _LEAST)
        billed = Billed(line.quantity, amount, line.list_amount, slack, line.final)
        known = found.get(cell)
        found[cell] = billed if known is None else plus(known, billed)
    return found


def cell_of(line: BillLine) -> Cell:
    """The cell that a line belongs to."""
    is_named = line.kind == "usage" and line.model is not None and line.token_type is not None
    what = "" if is_named else line.what
    return Cell(
        day=line.day,
        kind=line.kind,
        model=line.model,
        token_type=line.token_type,
        key=line.key,
        tier=line.tier,
        currency=line.currency,
        what=what,
    )


def plus(one: Billed, more: Billed) -> Billed:
    """Both together: what either says counts. If one has money for a quantity that it does not say, nobody knows that
    of both."""
    is_measured = all(each.quantity is not None or not each.amount for each in (one, more))
    is_listed = one.list_amount is not None or more.list_amount is not None
    return Billed(
        _sum(one.quantity, more.quantity) if is_measured else None,
        _sum(one.amount, more.amount),
        _sum(_listed(one), _listed(more)) if is_listed else None,
        one.slack + more.slack,
        one.final and more.final,
    )


def _sum(one: _Number | None, more: _Number | None) -> _Number | None:
    if one is None or more is None:
        return more if one is None else one
    return one + more


def _listed(one: Billed) -> int | None:
    return one.amount if one.list_amount is None else one.list_amount


def with_usage(paid: Mapping[Cell, Billed], used: Mapping[Cell, Billed]) -> dict[Cell, Billed]:
    """A report of usage has quantities of what a report of costs has money of, which may tell less apart. What has
    money and a quantity is not counted once more, nor is usage worth anything beside the money that is taken for it.

    Args:
        paid: cells with money.
        used: cells without.
    """
    found, places = dict(paid), {_place(cell) for cell in paid if cell.kind == "usage"}
    for cell, one in used.items():
        at = next((each for each in _coarser(cell) if each in paid), None)
        if at is None:
            found.update({} if _place(cell) in places else {cell: one})
        elif paid[at].quantity is None:
            found[at] = _measured(found[at], one)
    return found


def _place(cell: Cell) -> tuple[str, str | None, str | None]:
    return cell.day, cell.model, cell.token_type


def _coarser(cell: Cell) -> Iterator[Cell]:
    """The cell, and those that it may be a part of."""
    for key in dict.fromkeys((cell.key, None)):
        for tier in dict.fromkeys((cell.tier, "")):
            yield cell._replace(key=key, tier=tier)


def _measured(known: Billed, usage: Billed) -> Billed:
    if known.quantity is None or usage.quantity is None:
        return known._replace(quantity=usage.quantity)
    return known._replace(quantity=known.quantity + usage.quantity)
