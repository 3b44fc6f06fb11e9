"""What a customer pays for a call by contract: signed lines beside the list price, which stays as it is. Pure.

Contracts of the cost come first, then those of the price; on each side they are applied in the order they state, each
to what the ones before it came to. A line is `quantity * rate` like any other, so a receipt re-adds with contracts as
it does without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.cost import Line, rate_of
from otel_genai_cost.pricing.money import divide_half_even, format_money
from otel_genai_cost.vocabulary import LineKind, Reason, Side

__all__ = [
    "LIST_PRICES",
    "BillableCall",
    "Charged",
    "Contract",
    "Contracts",
    "ExchangeRate",
    "charged",
]

PARTS: Final = 10**9
"""A multiplier is an integer of billionths: nine decimals."""

NO_FX_RATE: Final = "no_fx_rate"
_ATTO: Final = 10**18
_OF_LISTS: Final = "USD"
_NAMED_ONLY: Final = ("batch", "service_tier", "speed", "inference_geo")
"""Conditions that change a list price. Agreed rates hold for a call under one of them only if the contract names it:
they were agreed for the standard price."""

_STANDARD_TIERS: Final = frozenset({"default", "standard", "auto"})


class BillableCall(NamedTuple):
    """What a contract may look at. `providers` and `models` hold every name of the call's: the span's and the
    resolved one, case-folded."""

    at_us: int
    tenant: str | None
    labels: Mapping[str, str]
    providers: frozenset[str]
    models: frozenset[str]
    context: Mapping[str, Any]


class Contract(NamedTuple):
    """One agreement. Times are unix microseconds, half-open; None is for ever.

    Empty sets of tenants, providers or models match every call, `labels` and `context` must all be equal. It has one
    of `multiplier` (billionths) and `rates` (leaf -> atto for `per` units, in `currency`), or only a `currency`, in
    which calls are billed from here on. `side` says whether it changes what a call costs us, or only what its customer
    pays.
    """

    id: str
    source: str
    order: int
    from_us: int
    to_us: int | None = None
    tenants: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str], ...] = ()
    context: tuple[tuple[str, str | bool], ...] = ()
    multiplier: int | None = None
    rates: Mapping[str, tuple[int, int]] | None = None
    currency: str | None = None
    side: Side = "cost"

    def matches(self, call: BillableCall) -> bool:
        """Whether the contract speaks of this call."""
        return (
            self.from_us <= call.at_us
            and (self.to_us is None or call.at_us < self.to_us)
            and (not self.tenants or call.tenant in self.tenants)
            and (not self.providers or not self.providers.isdisjoint(call.providers))
            and (not self.models or not self.models.isdisjoint(call.models))
            and all(call.labels.get(key) == value for key, value in self.labels)
            and self._fits(call.context)
        )

    def _fits(self, context: Mapping[str, Any]) -> bool:
        named = dict(self.context)
        if any(_word(context.get(key)) != value for key, value in named.items()):
            return False
        return self.rates is None or all(
            key in named or _is_standard(context.get(key)) for key in _NAMED_ONLY
        )


def _word(value: object) -> object:
    return value.casefold() if isinstance(value, str) else value


def _is_standard(value: object) -> bool:
    return not value or _word(value) in _STANDARD_TIERS


class ExchangeRate(NamedTuple):
    """One unit of `base` is `rate` (atto) units of `quote` in [from, to)."""

    base: str
    quote: str
    rate: int
    from_us: int
    to_us: int | None
    source: str

    @property
    def id(self) -> str:
        """Names the row on a receipt."""
        return f"{self.base}/{self.quote}={format_money(self.rate)} {self.source}"


class Charged(NamedTuple):
    """The lines that a call comes to, and the currency of its cost; `reason` is set if they, or those of the price, are
    not known. `touched`: whether any contract spoke. `billed_in`: the currency of the price, where it is another."""

    lines: tuple[Line, ...]
    currency: str
    reason: Reason | None = None
    touched: bool = False
    billed_in: str | None = None


class Contracts:
    """Every contract and exchange rate of a file.

    Args:
        contracts: in any order.
        rates: exchange rates.
        digest: sha256 of `document`, hexadecimal; None where there is no file.
        document: the file's canonical JSON.
    """

    def __init__(
        self,
        contracts: Iterable[Contract] = (),
        rates: Iterable[ExchangeRate] = (),
        digest: str | None = None,
        document: bytes = b"",
    ) -> None:
        self.contracts = tuple(sorted(contracts, key=lambda one: (one.order, one.id)))
        self.exchange_rates = tuple(rates)
        self.digest, self.document = digest, document

    @cached_property
    def _by_tenant(self) -> Mapping[str | None, tuple[Contract, ...]]:
        """Those of a tenant and those of everybody, in order; under None those of everybody."""
        tenants = {tenant for one in self.contracts for tenant in one.tenants}
        return {
            tenant: tuple(one for one in self.contracts if not one.tenants or tenant in one.tenants)
            for tenant in (None, *tenants)
        }

    @cached_property
    def rates_digest(self) -> str:
        """Stands for the exchange rates, whatever else was agreed."""
        text = repr(sorted(self.exchange_rates, key=repr))
        return blake2b(text.encode(), digest_size=16).hexdigest()

    @cached_property
    def currencies(self) -> tuple[str, ...]:
        """Every currency that a price may be in: that of the price lists, and those that contracts bill in."""
        named = {one.currency for one in self.contracts if one.currency is not None}
        return tuple(sorted({_OF_LISTS, *named}))

    def for_call(self, call: BillableCall) -> list[Contract]:
        """The contracts that speak of a call, in the order they are applied."""
        if not self.contracts:
            return []
        of_tenant = self._by_tenant.get(call.tenant, self._by_tenant[None])
        return [one for one in of_tenant if one.matches(call)]

    def exchange_rate(self, base: str, quote: str, at_us: int) -> ExchangeRate | None:
        """The row of an exchange rate that holds at a time; None if there is none.

        Args:
            base: the currency, ISO 4217, of which one unit is priced.
            quote: the currency that it is priced in.
            at_us: unix microseconds.
        """
        for row in self.exchange_rates:
            if (
                (row.base, row.quote) == (base, quote)
                and row.from_us <= at_us
                and (row.to_us is None or at_us < row.to_us)
            ):
                return row
        return None


LIST_PRICES: Final = Contracts()
"""No contract: everybody pays the list price."""


class _Running(NamedTuple):
    """A list line, and what its leaf costs by now: `unit` atto for `per` units."""

    line: Line
    unit: int
    per: int


class _NoRate(NamedTuple):
    """There is no exchange rate between two currencies."""

    base: str
    quote: str


class _Bill(NamedTuple):
    """What a call comes to so far: each of its list lines, the lines that contracts added, and the currency of all."""

    running: tuple[_Running, ...]
    added: tuple[Line, ...]
    currency: str

    @property
    def lines(self) -> tuple[Line, ...]:
        return (*(each.line for each in self.running), *self.added)


def charged(
    contracts: Contracts, call: BillableCall, lines: tuple[Line, ...], currency: str
) -> Charged:
    """What a call comes to by contract: the list lines, then the lines of each contract in its order.

    Args:
        contracts: those that hold, of all customers.
        call: what they look at.
        lines: at list prices.
        currency: of these lines.

    What a provider gives us does not depend on what our customer pays, but the other way round: contracts of the cost
    are applied first, those of the price to what they came to. Billing in another currency converts every line by the
    dated exchange rate of the call's time; without one what is billed in it has no lines, and the call the reason
    `no_fx_rate`, since no figure would be right. What the book cannot price, no contract prices.
    """
    found = contracts.for_call(call) if lines else []
    if not found:
        return Charged(lines, currency)
    listed = _Bill(tuple(_Running(line, *_unit(line)) for line in lines), (), currency)
    cost = _applied(contracts, call, found, "cost", listed)
    if isinstance(cost, _NoRate):
        return Charged((), cost.base, NO_FX_RATE, touched=True)
    price = _applied(contracts, call, found, "price", cost)
    if isinstance(price, _NoRate):
        return Charged(cost.lines, cost.currency, NO_FX_RATE, True, price.quote)
    billed_in = None if price.currency == cost.currency else price.currency
    added = tuple(line._replace(side="price") for line in _added(cost, price))
    return Charged((*cost.lines, *added), cost.currency, None, True, billed_in)


def _applied(
    contracts: Contracts, call: BillableCall, found: Sequence[Contract], side: Side, bill: _Bill
) -> _Bill | _NoRate:
    """The bill after the contracts of a side."""
    for one in found:
        if one.side != side:
            continue
        if one.currency is not None and one.currency != bill.currency:
            row = contracts.exchange_rate(bill.currency, one.currency, call.at_us)
            if row is None:
                return _NoRate(bill.currency, one.currency)
            bill = _Bill(
                tuple(_converted(each, row) for each in bill.running),
                tuple(_convert_line(line, row) for line in bill.added),
                one.currency,
            )
        running, more = _step(one, bill.running)
        bill = bill._replace(running=tuple(running), added=(*bill.added, *more))
    return bill


def _added(cost: _Bill, price: _Bill) -> Iterable[Line]:
    """What leads from the cost to the price: the lines that were added; where all were converted, each of them, and if
    that led back to the currency of the cost, less the cost."""
    lines, before = price.lines, cost.lines
    if lines[: len(before)] == before:
        return lines[len(before) :]
    if price.currency != cost.currency:
        return lines
    taken = (line._replace(quantity=-line.quantity, amount=-line.amount) for line in before)
    return (*taken, *lines)


def _step(one: Contract, running: Sequence[_Running]) -> tuple[list[_Running], list[Line]]:
    """What a contract makes of each leaf, and its lines."""
    after: list[_Running] = []
    lines: list[Line] = []
    for each in running:
        difference = _difference(one, each)
        if difference:
            kind: LineKind = "discount" if difference < 0 else "markup"
            rate = rate_of(format_money(difference), each.per)
            quantity = each.line.quantity
            lines.append(Line(kind, each.line.leaf, quantity, rate, rate.amount(quantity), one.id))
        after.append(each._replace(unit=each.unit + difference))
    return after, lines


def _difference(one: Contract, each: _Running) -> int:
    """What the contract adds to a leaf's price, in atto for its `per` units."""
    if one.multiplier is not None:
        return divide_half_even(each.unit * (one.multiplier - PARTS), PARTS)
    if one.rates is None:
        return 0
    agreed = one.rates.get(each.line.leaf)
    if agreed is None and each.line.leaf == "reasoning":  # billed as output where it has no rate
        agreed = one.rates.get("output")
    if agreed is None or each.line.kind == "provider":
        return 0
    unit, per = agreed
    return divide_half_even(unit * each.per, per) - each.unit


def _unit(line: Line) -> tuple[int, int]:
    """Atto for the units that the price is published for."""
    rate = line.rate
    return divide_half_even(rate.numerator * rate.per, rate.denominator), rate.per


def _converted(each: _Running, row: ExchangeRate) -> _Running:
    line = _convert_line(each.line, row)
    return _Running(line, divide_half_even(each.unit * row.rate, _ATTO), each.per)


def _convert_line(line: Line, row: ExchangeRate) -> Line:
    """The line in the other currency; a share's amount was split, and is no product of its rate."""
    unit, per = _unit(line)
    rate = rate_of(format_money(divide_half_even(unit * row.rate, _ATTO)), per)
    if line.kind == "share":
        amount = divide_half_even(line.amount * row.rate, _ATTO)
    else:
        amount = rate.amount(line.quantity)
    return line._replace(rate=rate, amount=amount, contract=line.contract or row.id)
