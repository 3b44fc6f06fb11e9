"""What usage cost: a status, the exact total, and lines that a person can re-add."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from otel_genai_cost.pricing.money import divide_half_even, format_money, parse_money

__all__ = ["NOT_BILLED", "Cost", "Line", "Rate", "rate_of", "unpriced"]


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


def rate_of(unit_price: str, per: int) -> Rate:
    """The exact rate of a published price: `unit_price` currency units for `per` units."""
    numerator = parse_money(unit_price)
    whole, rest = divmod(numerator, per)
    if rest:
        return Rate(numerator, per, unit_price, per)
    return Rate(whole, 1, unit_price, per)


class Line(NamedTuple):
    """One line of a receipt; `amount` (atto) = `quantity` x `rate`.

    `kind` is `list`, `provider` (the provider's own figure, quantity 1), `discount`, `markup` or `share`.
    """

    kind: str
    leaf: str
    quantity: int
    rate: Rate
    amount: int


_NO_QUANTITIES: Mapping[str, int] = MappingProxyType({})
_NO_RATES: Mapping[str, Rate] = MappingProxyType({})


class Cost(NamedTuple):
    """The price of one response.

    `total` (atto) is None unless `status` is `priced`. A `partial` cost has lines for the leaves that have a
    rate: a lower bound. `quantities` and `rates` are what `lines` is built from when somebody reads it: the hot
    path carries references, not line objects.
    """

    status: str
    reason: str | None = None
    source: str = "book"
    currency: str = "USD"
    total: int | None = None
    price_id: str | None = None
    book: str | None = None
    model_resolved: str | None = None
    quantities: Mapping[str, int] = _NO_QUANTITIES
    rates: Mapping[str, Rate] = _NO_RATES

    @property
    def lines(self) -> tuple[Line, ...]:
        """One line for each leaf that was used and has a rate, in the order of the leaves."""
        kind = "list" if self.source == "book" else "provider"
        return tuple(
            Line(kind, leaf, quantity, rate, rate.amount(quantity))
            for leaf, quantity in self.quantities.items()
            if quantity and (rate := self.rates.get(leaf)) is not None
        )

    @property
    def lines_total(self) -> int:
        """Atto of all lines; equals `total` where that is not None."""
        return sum(line.amount for line in self.lines)

    @property
    def total_text(self) -> str | None:
        """`total` as a decimal string, None unless priced."""
        return None if self.total is None else format_money(self.total)


def unpriced(reason: str, book: str | None = None, model_resolved: str | None = None) -> Cost:
    """A cost that is not known, and why. Unknown is never zero."""
    return Cost("unpriced", reason, book=book, model_resolved=model_resolved)


NOT_BILLED: Final = Cost("priced", "not_billed", source="provider", total=0)
"""A provider's error reply without usage: known to cost nothing."""
