"""The part of a journal record that says what a call costs: the rates that applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.identity_cache import IdentityCache
from otel_genai_cost.pricing.cost import (
    Cost,
    Rate,
    RateCard,
    bounds_of,
    bounds_record,
    rate_of,
)
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.vocabulary import COST_STATUSES, word

__all__ = ["cost_of_record", "cost_record"]

_PER_USUAL: Final = 1_000_000
_KEPT_MAX: Final = 1_024


def cost_record(cost: Cost, leaves: Mapping[str, int], book: str | None) -> dict[str, Any]:
    """The rates that applied; what they applied to is the usage, unless the provider's own figure did.

    Args:
        cost: of an observation.
        leaves: its usage.
        book: the digest of the price book that the header says; None if it says none.
    """
    status, reason, source, total, quantities, row, bounds = cost
    record: dict[str, Any] = {} if status == "priced" else {"status": status}
    if reason is not None:
        record["reason"] = reason
    if status == "unpriced":
        record.update(_row_record(row))
    else:
        record.update(_rated_record(row, quantities))
        if source != "book":
            record["source"] = source
        if quantities is not leaves and quantities != leaves:
            record["quantities"] = dict(quantities)
    if total is not None:
        record["total"] = format_money(total)
    if bounds is not None:
        record["bounds"] = bounds_record(bounds)
    if row.book != book:
        record["book"] = row.book
    return record


def _row_record(row: RateCard) -> dict[str, Any]:
    """What a price row is called."""
    record: dict[str, Any] = {} if row.price_id is None else {"price_id": row.price_id}
    if row.model != _model_of(row.price_id):
        record["model_resolved"] = row.model
    return record


_rated: Final = IdentityCache[RateCard, dict[tuple[str, ...], dict[str, Any]]](_KEPT_MAX)
"""What was said of a price row, by the names of what was rated by it: calls are rated by few rows, over and over, and a
row's rates are a tenth of what it takes to write a line."""


def _rated_record(row: RateCard, quantities: Mapping[str, int]) -> dict[str, Any]:
    """What a price row is called, with the rates of what was rated by it; not to be changed."""
    known = _rated.get(row)
    if known is None:
        known = _rated.keep(row, {})
    leaves = tuple(quantities)
    record = known.get(leaves)
    if record is None:
        rates, record = row.rates, _row_record(row)
        record["rates"] = {leaf: _rate_record(rates[leaf]) for leaf in leaves if leaf in rates}
        if row.currency != "USD":
            record["currency"] = row.currency
        if len(known) >= _KEPT_MAX:
            known.clear()
        known[leaves] = record
    return record


def _model_of(price_id: str | None) -> str | None:
    """The model that the id of a price row begins with."""
    return None if price_id is None else price_id.partition("@")[0]


def _rate_record(rate: Rate) -> str | tuple[str, int]:
    """What a rate is published as, and for how many, if not for a million."""
    return rate.unit_price if rate.per == _PER_USUAL else (rate.unit_price, rate.per)


def cost_of_record(record: Mapping[str, Any], leaves: Mapping[str, int]) -> Cost:
    """The cost of a record's `cost`.

    Args:
        record: the JSON object.
        leaves: the usage, which the rates applied to if nothing else is said.

    Raises:
        KeyError, TypeError, ValueError: if it is malformed.
    """
    get = record.get
    total, price_id = get("total"), get("price_id")
    rates: Mapping[str, Any] | None = get("rates")
    return Cost(
        status=word(get("status", "priced"), COST_STATUSES, "unpriced"),
        reason=get("reason"),
        source=get("source", "book"),
        total=None if total is None else parse_money(total),
        quantities={} if rates is None else get("quantities", leaves),
        row=RateCard(
            price_id=price_id,
            currency=get("currency", "USD"),
            rates={leaf: _rate(value) for leaf, value in (rates or {}).items()},
            book=get("book"),
            model=get("model_resolved", _model_of(price_id)),
        ),
        bounds=bounds_of(get("bounds")),
    )


def _rate(value: Any) -> Rate:
    if isinstance(value, str):
        return rate_of(value, _PER_USUAL)
    unit_price, per = value
    return rate_of(unit_price, per)
