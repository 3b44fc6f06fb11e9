"""From a statement, and what its usage comes to by day, to rows of FOCUS that add up to it. Pure.

A row is a day of one line; its cost is exact. What a line is charged beyond that, by rounding or by a plan, is a row of
its own, so that the rows of every line add up to the line, and all of them to the total.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from otel_genai_cost.limits.currency import CURRENCIES
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import (
    ATTO,
    divide_half_even,
    format_money,
    split_largest_remainder,
)
from otel_genai_cost.reports.margin.spreading import SpreadRule
from otel_genai_cost.statements.exports.issuer import Issuer
from otel_genai_cost.statements.exports.leaf_words import meter_words, unit_words
from otel_genai_cost.statements.exports.numbering import number_of, whose_name
from otel_genai_cost.statements.gather import Item, unit_of
from otel_genai_cost.statements.rounding import minor_unit
from otel_genai_cost.statements.statement import Statement, StatementLine, is_spread

__all__ = ["Daily", "Row", "focus_rows", "item_of"]

_Days: TypeAlias = Mapping[tuple[int, int], tuple[int, int]]

Daily: TypeAlias = Mapping[Item, _Days]
"""What was used of an item: by day, from and to in unix microseconds, the quantity, and its exact price in atto."""

Row: TypeAlias = dict[str, Any]
"""A value by column; money, unit prices and quantities in atto, times as text. What is missing is empty."""

_MILLION: Final = 10**6
_NO_DAYS: Final[_Days] = {}
_SPREAD_UNITS: Final[Mapping[SpreadRule, str]] = {
    "cost": "Cost",
    "calls": "Calls",
    "revenue": "Revenue",
    "evenly": "Tenants",
}
_UNNAMED: Final = "Issuer"
"""FOCUS wants a name."""


class _Charge(NamedTuple):
    """What one row is about: a day's usage, or what a line is charged beyond its usage. Money in atto."""

    line: int
    days: tuple[int, int]
    description: str
    cost: int
    worth: int
    quantity: int = 0
    category: str = "Usage"


def item_of(line: StatementLine) -> Item:
    """What a line is about."""
    return Item(line.provider, line.model, line.leaf)


def focus_rows(
    one: Statement, daily: Daily, issuer: Issuer, name: str | None = None
) -> Iterator[Row]:
    """The rows of a statement, line by line and day by day.

    Args:
        one: the statement.
        daily: what its entries come to.
        issuer: who issues it.
        name: of the tenant; None for its id.
    """
    name = name or whose_name(one)
    common = _common(one, issuer, name)
    left = dict(daily)
    for number, line in enumerate(one.lines, start=1):
        days = _NO_DAYS if is_spread(line) else left.pop(item_of(line), _NO_DAYS)
        for charge in _charges(one, number, line, days):
            is_part = is_spread(line) and charge.description == line.product
            allocated = _allocated(one, name) if is_part else {}
            yield {**common, **_of_charge(one, issuer, line, charge), **allocated}
    for item, days in left.items():
        line = _included(item)
        for day, (quantity, worth) in sorted(days.items()):
            charge = _Charge(0, day, line.product, 0, worth, quantity)
            yield {**common, **_of_charge(one, issuer, line, charge)}


def _included(item: Item) -> StatementLine:
    """Usage that no line charges, since a plan includes it: its rows are billed at nothing."""
    words = f"{item.product}, included"
    return StatementLine(words, 0, unit_of(item.leaf), 0, 0, **item._asdict())


def _charges(one: Statement, number: int, line: StatementLine, days: _Days) -> Iterator[_Charge]:
    """The rows of a line: its days, and what is left of its amount."""
    whole = one.period_from_us, one.period_to_us
    if not days and _is_counted_here(one, line):
        yield _Charge(number, whole, line.product, line.amount, line.amount, line.quantity)
        return
    left, is_shared = line.amount, is_spread(line)
    if is_shared and line.exact:
        left -= line.exact
        yield _Charge(number, whole, line.product, line.exact, line.exact, category="Adjustment")
    costs = _costs(line, days)
    for day, (quantity, worth) in sorted(days.items()):
        if quantity or worth:
            left -= costs[day]
            yield _Charge(number, day, line.product, costs[day], worth, quantity)
    if left:
        is_rounding = (bool(days) or is_shared) and abs(left) < minor_unit(one.currency)
        description = f"Rounding: {line.product}" if is_rounding else line.product
        category = "Credit" if left < 0 and not is_rounding else "Adjustment"
        yield _Charge(number, whole, description, left, left, category=category)


def _is_counted_here(one: Statement, line: StatementLine) -> bool:
    """Whether the quantity of a line without days is in no other row. The tokens that a plan charges by its own lines
    are: they stand where they were used."""
    is_elsewhere = one.plan is not None and line.model is None and line.unit == "tokens"
    return line.quantity != 0 and line.amount * line.quantity >= 0 and not is_elsewhere


def _costs(line: StatementLine, days: _Days) -> Mapping[tuple[int, int], int]:
    """What each day is charged: its own price, or where a plan has another for the line, its share of that."""
    worths = {day: worth for day, (_, worth) in days.items()}
    whole = sum(worths.values())
    is_all = line.quantity == sum(quantity for quantity, _ in days.values())
    if (
        line.exact == whole
        or not is_all
        or line.exact < 0
        or whole <= 0
        or min(worths.values()) < 0
    ):
        return worths
    shares = split_largest_remainder(line.exact, list(worths.values()))
    return dict(zip(worths, shares, strict=True))


def _common(one: Statement, issuer: Issuer, name: str) -> Row:
    """What every row of a statement says."""
    sub_account = None if one.scope is None else one.scope_value or "(none)"
    return {
        "BillingAccountId": whose_name(one),
        "BillingAccountName": name,
        "BillingAccountType": "Tenant",
        "SubAccountId": sub_account,
        "SubAccountName": sub_account,
        "SubAccountType": one.scope and one.scope.title(),
        "InvoiceId": number_of(one) if one.state == "stated" else None,
        "InvoiceIssuerName": issuer.name or _UNNAMED,
        "ProviderName": issuer.name or _UNNAMED,
        "ServiceProviderName": issuer.name or _UNNAMED,
        "BillingPeriodStart": _seconds(one.period_from_us),
        "BillingPeriodEnd": _seconds(one.period_to_us),
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": issuer.service,
        "ChargeClass": "Correction" if one.revision > 1 else None,
        "BillingCurrency": one.currency if one.currency in CURRENCIES else issuer.currency,
        "PricingCurrency": one.currency,
        "x_StatementDigest": one.digest,
        "x_StatementRevision": one.revision,
        "x_StatementState": one.state,
        "x_StatementUnpriced": one.unpriced,
        "x_StatementGaps": one.gaps,
    }


def _of_charge(one: Statement, issuer: Issuer, line: StatementLine, charge: _Charge) -> Row:
    """What a row says by itself."""
    from_us, to_us = charge.days
    has_price = charge.quantity != 0 and charge.cost * charge.quantity >= 0
    category = charge.category if has_price or charge.category != "Usage" else "Adjustment"
    is_usage = category == "Usage"
    is_national = one.currency in CURRENCIES
    billed, worth = (charge.cost, charge.worth) if is_national else (0, 0)
    return {
        "InvoiceDetailId": f"{number_of(one)}/{charge.line}",
        "PublisherName": line.provider or issuer.name or _UNNAMED,
        "HostProviderName": line.provider or issuer.name or _UNNAMED,
        "ChargePeriodStart": _seconds(from_us),
        "ChargePeriodEnd": _seconds(to_us),
        "ChargeCategory": category,
        "ChargeDescription": charge.description,
        "ChargeFrequency": "Usage-Based" if is_usage else "One-Time",
        "ListCost": worth,
        "ContractedCost": billed,
        "BilledCost": billed,
        "EffectiveCost": billed,
        "PricingCurrencyEffectiveCost": charge.cost,
        "x_StatementLine": charge.line or None,
        **(_sku(one.currency, line, charge, is_national=is_national) if is_usage else {}),
    }


def _allocated(one: Statement, name: str) -> Row:
    """How it was spread: on the statement of what is nobody's, what is taken off it, else what the tenant bears. What
    the line was rounded by is no part of that: the ratios of a period add up to 1."""
    spread = one.spread
    if spread is None:
        return {}
    method = {"AllocatedMethodId": f"spread-by-{spread.rule}"}
    if one.tenant is None:
        return method
    unit, ratio = _SPREAD_UNITS[spread.rule], format_money(spread.share)
    details = f'{{"Elements":[{{"AllocatedRatio":{ratio},"UsageUnit":"{unit}"}}]}}'
    resource = {"AllocatedResourceId": one.tenant, "AllocatedResourceName": name}
    return {**method, "AllocatedMethodDetails": details, **resource}


def _sku(currency: str, line: StatementLine, charge: _Charge, *, is_national: bool) -> Row:
    """What was used, and at what price."""
    unit = unit_words(line.unit)
    per = _MILLION if unit == "Tokens" else 1
    price, list_price = (
        _unit_price(amount, charge.quantity, per) for amount in (charge.cost, charge.worth)
    )
    pricing_unit = f"{per} {unit}" if per > 1 else unit
    sku = "/".join(part for part in item_of(line) if part) or line.product
    return {
        "SkuId": sku,
        "SkuMeter": meter_words(line.leaf) if line.leaf else unit,
        "SkuPriceId": f"{sku}@{format_money(price)} {currency} per {pricing_unit}",
        "PricingCategory": "Standard",
        "PricingQuantity": charge.quantity * ATTO // per,
        "PricingUnit": pricing_unit,
        "ListUnitPrice": list_price if is_national else 0,
        "ContractedUnitPrice": price if is_national else 0,
        "ConsumedQuantity": charge.quantity * ATTO,
        "ConsumedUnit": unit,
        "PricingCurrencyListUnitPrice": list_price,
        "PricingCurrencyContractedUnitPrice": price,
    }


def _unit_price(amount: int, quantity: int, per: int) -> int:
    """Atto for so many units, to the last place; the row's cost is exact, this is not where it does not divide."""
    return divide_half_even(abs(amount) * per, abs(quantity))


def _seconds(us: int) -> str:
    """An instant in UTC, to the second: periods and days begin on one."""
    return rfc3339(us // _MILLION * _MILLION)
