"""The most that a call can come to: what is held for it before it is made. Pure.

Whatever the request leaves open is taken at its dearest: every input token at the dearest rate of any input (a cache
write included), every output token at the dearest of any output, by the dearest row that may apply, tiers for long
prompts and hours of the day included. What cannot be bounded has no bound: unknown is never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.contracts.contract import BillableCall, Contracts, charged
from otel_genai_cost.pricing.cost import Line, RateCard, price_of
from otel_genai_cost.pricing.rate import TariffSource, tariff_of
from otel_genai_cost.pricing.resolve import Refusal
from otel_genai_cost.pricing.tariff import ANY_SCOPE, SCOPES, Conditions, Period, Tariff
from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES

__all__ = ["Bound", "BoundedCall", "bound"]

_AHEAD_US: Final = 3_600_000_000
"""A call may end, and so be priced, this long after it was asked for."""

_TEXT: Final = "text"
_MODALITIES: Final = ("audio", "image", "video")


class Bound(NamedTuple):
    """The most that a call can come to, in atto: its cost, and the tenant's price for it, which may be in another
    currency."""

    cost: int
    currency: str
    price: int
    price_currency: str

    @classmethod
    def of(cls, amount: int, currency: str) -> Bound:
        """An amount that is cost and price alike."""
        return cls(amount, currency, amount, currency)


class BoundedCall(NamedTuple):
    """What is known of a call before it is made.

    Attributes:
        tenant: whose it is.
        labels: `plan`, `feature` and so on, as contracts look at them.
        provider: any name of the provider.
        input_tokens: the most that the prompt can have.
        context: conditions that are known; any other may still apply.
        modalities: what the prompt and the answer may be made of; empty for anything.
        counts: the most of what is counted beside tokens, such as `web_searches`.
    """

    tenant: str | None
    labels: Mapping[str, str]
    provider: str | None
    input_tokens: int
    context: Mapping[str, Any]
    modalities: tuple[str, ...] = ()
    counts: Mapping[str, int] = {}


def bound(
    book: TariffSource,
    contracts: Contracts,
    call: BoundedCall,
    model: str | None,
    max_tokens: int,
    at_us: int,
) -> Bound | None:
    """The most that a call can come to.

    Args:
        book: the price book.
        contracts: of all customers.
        call: what is known of it.
        model: any name of the model.
        max_tokens: the most output that it asks for.
        at_us: now, unix microseconds.

    Returns:
        None if some row that may apply has no price for something that every call of it is billed, if no row applies,
        or if those that do are in several currencies.
    """
    tariff = tariff_of(book, call.provider, model, call.context)
    if isinstance(tariff, Refusal):
        return None
    billed = _Billing(contracts, call, tariff.model, model, at_us)
    found = [
        billed.of_row(row, max_tokens) for row in _rows(tariff, call, at_us, at_us + _AHEAD_US)
    ]
    return _together(found, max)


def _together(found: Sequence[Bound | None], how: Callable[[Iterable[int]], int]) -> Bound | None:
    """The sum of all, or the most of each; None if one is not known, or they are in several currencies."""
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    currency, price_currency = known[0].currency, known[0].price_currency
    if any((one.currency, one.price_currency) != (currency, price_currency) for one in known):
        return None
    return Bound(
        how(one.cost for one in known), currency, how(one.price for one in known), price_currency
    )


def _rows(tariff: Tariff, call: BoundedCall, from_us: int, to_us: int) -> Iterator[RateCard]:
    """The rows that may price the call, without those that only say that a model is not offered."""
    for conditions, schedule in tariff.schedules.items():
        if _may_apply(conditions, tariff.conditions(call.context), call.context):
            for period in schedule:
                if period[0] <= to_us and from_us < period[1]:
                    yield from (row for row in _of_period(period, call.input_tokens) if row.rates)


def _may_apply(conditions: Conditions, known: Conditions, context: Mapping[str, Any]) -> bool:
    """Whether a row's conditions contradict nothing that is known. A word that means the standard was taken off; a row
    of any place, or of none, may hold where there is none of the place."""
    given, asked = dict(conditions), dict(known)
    for key in context:
        wanted, word = asked.get(key, ""), given.get(key, "")
        if wanted != word and not (key in SCOPES and word in ("", ANY_SCOPE)):
            return False
    return True


def _of_period(period: Period, input_tokens: int) -> Iterator[RateCard]:
    """The base row and those that go before it, as far as the prompt can reach."""
    _, _, tiers, _, _, row = period
    yield row
    yield from (card for least, _, _, card, _ in tiers if least <= input_tokens)


class _Billing:
    """What a call can come to by one row, and by what its tenant has agreed."""

    def __init__(
        self,
        contracts: Contracts,
        call: BoundedCall,
        resolved: str,
        model: str | None,
        at_us: int,
    ) -> None:
        provider, _, name = resolved.partition("/")
        names = (call.provider, provider), (model, name, resolved)
        providers, models = (
            frozenset(one.casefold() for one in every if one is not None) for every in names
        )
        self._contracts, self._call = contracts, call
        self._billable = BillableCall(
            at_us, call.tenant, call.labels, providers, models, call.context
        )

    def of_row(self, row: RateCard, max_tokens: int) -> Bound | None:
        """The bound by a row; None if it bills something of which nobody knows how much."""
        call = self._call
        if any(leaf not in call.counts for leaf in row.fees.needs):
            return None
        parts = [
            self._dearest(row, _leaves(INPUT_LEAVES, call.modalities), call.input_tokens),
            self._dearest(row, _leaves(OUTPUT_LEAVES, call.modalities), max_tokens),
        ]
        counted = {**row.fees.due, **call.counts}
        parts += [self._dearest(row, (leaf,), n) for leaf, n in counted.items()]
        return _together(parts, sum)

    def _dearest(self, row: RateCard, leaves: Iterable[str], quantity: int) -> Bound | None:
        """So many units, all of that leaf of which they come to most; None if they have no rate."""
        priced = [leaf for leaf in leaves if leaf in row.rates]
        if not quantity:
            return self._nothing(row)
        return _together([self._charged(row, leaf, quantity) for leaf in priced], max)

    def _charged(self, row: RateCard, leaf: str, quantity: int) -> Bound | None:
        quantity = max(quantity, row.fees.at_least.get(leaf, 0))
        between = row.fees.between.get(leaf)
        rate = row.rates[leaf] if between is None else between[1]
        line = Line("list", leaf, quantity, rate, rate.amount(quantity))
        found = charged(self._contracts, self._billable, (line,), row.currency)
        if found.reason is not None:
            return None
        cost = sum(line.amount for line in found.lines if line.side == "cost")
        price = price_of(found.lines, cost, found.billed_in)
        return Bound(cost, found.currency, price, found.billed_in or found.currency)

    def _nothing(self, row: RateCard) -> Bound:
        """Of no tokens, in what they would be billed in."""
        cost = price = row.currency
        for one in self._contracts.for_call(self._billable):
            price = one.currency or price
            cost = one.currency or cost if one.side == "cost" else cost
        return Bound(0, cost, 0, price)


def _leaves(leaves: Sequence[str], modalities: Sequence[str]) -> Iterator[str]:
    """Those that the call may use."""
    for leaf in leaves:
        of = next((one for one in _MODALITIES if leaf.endswith(f"_{one}")), _TEXT)
        if not modalities or of in modalities or of == _TEXT:
            yield leaf
