"""What usage cost: a status, the exact total, and lines that a person can re-add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.fees import NO_FEES, Fees
from otel_genai_cost.pricing.money import divide_half_even, format_money, parse_money
from otel_genai_cost.usage.leaves import Usage
from otel_genai_cost.vocabulary import CostSource, CostStatus, LineKind, Quality, Reason, Side

__all__ = [
    "NOT_BILLED",
    "Cost",
    "Line",
    "Rate",
    "RateCard",
    "billed",
    "bounds_of",
    "bounds_record",
    "cost_of",
    "price_of",
    "quality_of",
    "rate_of",
    "unpriced",
]

_BILL_LIMIT: Final = 10**6
"""USD; no provider bills one response more. A larger figure is a defect, and not taken."""


class Rate(NamedTuple):
    """Money per unit of a leaf, exact: `numerator` atto for `denominator` units.

    `unit_price` and `per` are how the source publishes it ("2.5" per 1,000,000 tokens); they are made once, when
    the price row is compiled, because every journal line carries them.
    """

    numerator: int
    denominator: int
    unit_price: str
    per: int

    def amount(self, quantity: int) -> int:
        """Atto for `quantity` units, half-even at 1e-18: the only rounding before an invoice."""
        if self.denominator == 1:
            return quantity * self.numerator
        return divide_half_even(quantity * self.numerator, self.denominator)


@lru_cache(maxsize=4_096)
def rate_of(unit_price: str, per: int) -> Rate:
    """The exact rate of a published price: `unit_price` currency units for `per` units.

    Raises:
        ValueError: if the price is none, or is for no units.
    """
    if per == 0:
        raise ValueError(f"a price of {unit_price} for no units")
    numerator = parse_money(unit_price)
    whole, rest = divmod(numerator, per)
    if rest:
        return Rate(numerator, per, unit_price, per)
    return Rate(whole, 1, unit_price, per)


class Line(NamedTuple):
    """One line of a receipt; `amount` (atto) = `quantity` x `rate`.

    `contract` names what a discount or mark-up was agreed in, or the exchange rate of a list line that was converted.
    `side` says whether the line is part of the cost, or only of what the customer pays.
    """

    kind: LineKind
    leaf: str
    quantity: int
    rate: Rate
    amount: int
    contract: str | None = None
    side: Side = "cost"


def cost_of(lines: Iterable[Line]) -> int:
    """Atto of the lines of the cost."""
    return sum([line.amount for line in lines if line.side == "cost"])


def price_of(lines: Iterable[Line], cost: int, billed_in: str | None) -> int:
    """What the customer pays, in atto.

    Args:
        lines: of an entry or a position.
        cost: atto; what they come to for us.
        billed_in: the currency of the price, where it is another than the cost's: the lines of the price then have
            all of it, since currencies are not added up.
    """
    added = sum([line.amount for line in lines if line.side == "price"])
    return added if billed_in is not None else cost + added


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class RateCard(NamedTuple):
    """The rates of one price row, and how its leaves are billed. `is_undated`: the price changed while the row holds,
    nobody says when. `book` is the sha256 of the price book, `model` the resolved model. Without a row,
    `price_id` is None and there are no rates."""

    price_id: str | None = None
    currency: str = "USD"
    rates: Mapping[str, Rate] = _NOTHING
    book: str | None = None
    model: str | None = None
    fees: Fees = NO_FEES
    is_undated: bool = False


_NO_ROW: Final = RateCard()


class Cost(NamedTuple):
    """The price of one response.

    `total` (atto) is None unless `status` is `priced`. A `partial` cost has lines for the leaves that have a
    rate: a lower bound. `quantities` and `row` are what `lines` is built from when somebody reads it: the hot
    path carries references, not line objects. `bounds` are the least and the most (atto) that it can be where the
    total rests on a provider's default.
    """

    status: CostStatus
    reason: Reason | None = None
    source: CostSource = "book"
    total: int | None = None
    quantities: Mapping[str, int] = _NOTHING
    row: RateCard = _NO_ROW
    bounds: tuple[int, int] | None = None

    @property
    def currency(self) -> str:
        """ISO 4217 code."""
        return self.row.currency

    @property
    def price_id(self) -> str | None:
        """The price row that was applied."""
        return self.row.price_id

    @property
    def book(self) -> str | None:
        """sha256 of the price book that was asked."""
        return self.row.book

    @property
    def model_resolved(self) -> str | None:
        """`provider/model` as the book names it."""
        return self.row.model

    @property
    def rates(self) -> Mapping[str, Rate]:
        """The rate of each leaf that has one."""
        return self.row.rates

    @property
    def lines(self) -> tuple[Line, ...]:
        """One line for each leaf that was used and has a rate, in the order of the leaves."""
        kind: LineKind = "list" if self.source == "book" else "provider"
        rate_of_leaf = self.row.rates.get
        return tuple(
            [
                Line(kind, leaf, quantity, rate, rate.amount(quantity))
                for leaf, quantity in self.quantities.items()
                if quantity and (rate := rate_of_leaf(leaf)) is not None
            ]
        )

    @property
    def lines_total(self) -> int:
        """Atto of all lines; equals `total` where that is not None."""
        return sum(line.amount for line in self.lines)

    @property
    def total_text(self) -> str | None:
        """`total` as a decimal string, None unless priced."""
        return None if self.total is None else format_money(self.total)


def quality_of(usage: Usage, cost: Cost) -> Quality:
    """The quality of a figure: its usage's, but for a price that rests on a default, which is an estimate too."""
    if usage.quality == "reported" and cost.bounds is not None:
        return "estimated"
    return usage.quality


def bounds_record(bounds: tuple[int, int]) -> dict[str, str]:
    """Bounds as others script against them."""
    low, high = bounds
    return {"low": format_money(low), "high": format_money(high)}


def bounds_of(record: Mapping[str, str] | None) -> tuple[int, int] | None:
    """The bounds of a `bounds_record`."""
    return None if record is None else (parse_money(record["low"]), parse_money(record["high"]))


def unpriced(reason: Reason, book: str | None = None, model_resolved: str | None = None) -> Cost:
    """A cost that is not known, and why. Unknown is never zero.

    Args:
        reason: of the vocabulary.
        book: the digest of the book that was asked, if one was.
        model_resolved: what the model's name stands for, as far as that was found.
    """
    return Cost("unpriced", reason, row=RateCard(book=book, model=model_resolved))


def billed(figure: str) -> Cost | None:
    """A provider's own figure for one response, in USD, rounded half-even at 1e-18; None if it is no amount."""
    try:
        amount = Decimal(figure)
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount < _BILL_LIMIT:
        return None
    atto = int(amount.scaleb(18).to_integral_value(ROUND_HALF_EVEN))
    rates = {"requests": rate_of(format_money(atto), 1)}
    return Cost("priced", None, "provider", atto, {"requests": 1}, RateCard(rates=rates))


NOT_BILLED: Final = Cost("priced", "not_billed", source="provider", total=0)
"""A provider's error reply without usage: known to cost nothing."""
