"""What a provider says that it billed for a response: one rule for each that says so, with where that was read.

A figure is taken from the keys that only its provider writes. A bare `cost` is anybody's: a proxy that works it out
from a price list writes one too, so it counts only where the span names a provider that bills so.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from typing import Final, NamedTuple

from otel_genai_cost.usage.values import Object, as_object

__all__ = ["NO_BILL", "RULES", "Bill", "BillRule", "bill_of", "gateway_bill"]

_TICKS_PER_USD: Final = 10**10
_KEYS: Final = frozenset({"cost", "cost_in_usd_ticks"})
"""Without one of these, no rule finds anything."""

_OWN_BILLERS: Final = frozenset({None, "openrouter", "vercel_ai_gateway", "vercel", "gateway"})
"""Providers whose bare `cost` is a bill; of a span that names none, the response is believed."""


class Bill(NamedTuple):
    """A decimal string in USD, None if nobody said. `is_bare`: by a key that others write as well."""

    usd: str | None = None
    is_bare: bool = False

    def by(self, provider: str | None) -> str | None:
        """The figure, if it is the bill of a span's provider."""
        return None if self.is_bare and provider not in _OWN_BILLERS else self.usd


NO_BILL: Final = Bill()


class BillRule(NamedTuple):
    """How one provider states its bill. `read` gives None where the usage object is not its, or says nothing usable."""

    provider: str
    what: str
    source: str
    read: Callable[[Object], Bill | None]


def bill_of(usage: Object) -> Bill:
    """The bill that a provider's usage object states."""
    if _KEYS.isdisjoint(usage):  # nearly always
        return NO_BILL
    return next((bill for rule in RULES if (bill := rule.read(usage)) is not None), NO_BILL)


def _ticks(usage: Object) -> Bill | None:
    ticks = usage.get("cost_in_usd_ticks")
    if type(ticks) is not int or not 0 <= ticks < _TICKS_PER_USD**2:
        return None
    whole, rest = divmod(ticks, _TICKS_PER_USD)
    return Bill(f"{whole}.{rest:010d}")


def _itemised(usage: Object) -> Bill | None:
    total = _amount(as_object(usage.get("cost")).get("total_cost"))
    return None if total is None else Bill(_text(total))


def _routed(usage: Object) -> Bill | None:
    """The router's part, and, with a key of one's own, what the upstream provider bills on it: a part of nothing then
    is no bill, and none is stated where the upstream's is not."""
    cost = _amount(usage.get("cost"))
    if cost is None:
        return None
    upstream = _amount(as_object(usage.get("cost_details")).get("upstream_inference_cost"))
    own_key = usage.get("is_byok")
    is_signed = "cost_details" in usage or "is_byok" in usage
    if own_key is True or (own_key is None and upstream is not None and upstream > cost):
        return NO_BILL if not upstream else Bill(_text(cost + upstream))
    return Bill(_text(cost), is_bare=not is_signed)


def gateway_bill(gateway: Object) -> Bill:
    """What Vercel's gateway adds to the provider's metadata: `cost` as text. With a key of one's own it is nothing, and
    the market's price beside it is no bill."""
    cost = gateway.get("cost")
    amount = _amount(_number(cost) if isinstance(cost, str) else cost)
    market = gateway.get("marketCost")
    if amount is None or (not amount and _number(str(market))):
        return NO_BILL
    return Bill(_text(amount))


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def _amount(value: object) -> Decimal | None:
    """A sum of money that a JSON number states; a float by its shortest spelling."""
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return None
    if isinstance(value, int) and value.bit_length() > 64:
        return None
    amount = Decimal(value) if isinstance(value, (int, Decimal)) else Decimal(repr(value))
    return amount if amount.is_finite() and amount >= 0 else None


def _text(amount: Decimal) -> str:
    return format(amount, "f")


RULES: Final = (
    BillRule(
        "x_ai",
        "`cost_in_usd_ticks`: 1e-10 USD each, the amount billed",
        "https://docs.x.ai/developers/cost-tracking",
        _ticks,
    ),
    BillRule(
        "perplexity",
        "`cost.total_cost`: tokens, the request's fee, searches and citations",
        "https://docs.perplexity.ai/getting-started/pricing",
        _itemised,
    ),
    BillRule(
        "openrouter",
        "`cost`, and with a key of one's own (`is_byok`) `cost_details.upstream_inference_cost` as well; Vercel's "
        "gateway writes the same keys",
        "https://openrouter.ai/docs/use-cases/usage-accounting",
        _routed,
    ),
)
"""In the order of asking: what only one provider writes goes first. A LiteLLM proxy's `x-litellm-response-cost` has no
rule: it is worked out from LiteLLM's price list, and no bill."""
