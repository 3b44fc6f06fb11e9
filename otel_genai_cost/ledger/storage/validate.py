"""The ledger's door: whether what a journal line says can be settled and booked at all.

A checksum proves that a line is what its writer wrote, not that the writer was right. One line that cannot be booked
must not keep everybody else's from being booked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.pricing.cost import Cost, Rate
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.leaves import QUANTITY_LIMIT, Usage
from otel_genai_cost.usage.read import Reading

__all__ = ["is_valid"]

_TIME_LIMIT_US: Final = 253_402_300_800_000_000
"""The end of the year 9999, where the calendar of every store ends."""

_AMOUNT_LIMIT: Final = 10**15 * ATTO
"""More than any line costs, and sums of it still fit a store's DECIMAL(38,18)."""

_TEXT: Final = frozenset({str})
_TEXT_OR_NONE: Final = frozenset({str, type(None)})
_WHOLE: Final = frozenset({int})
"""Compared by type, because JSON makes no others, and `True` is an int."""

_ID: Final = re.compile(r"[0-9a-f]{32}")


def is_valid(one: Observation) -> bool:
    """Whether every part is of the kind and within the bounds that the ledger relies on."""
    return (
        _ID.fullmatch(one.id) is not None
        and _are_text((one.scope, one.scope_version, one.dialect, *one.path))
        and _are_text_or_none((*one.origin, one.duplicate_of))
        and _WHOLE.issuperset((type(one.start_us), type(one.end_us)))
        and 0 <= one.start_us < _TIME_LIMIT_US
        and 0 <= one.end_us < _TIME_LIMIT_US
        and _is_valid_reading(one.reading)
        and _is_valid_usage(one.reading.usage)
        and _is_valid_cost(one.cost)
        and _is_valid_attribution(one.attribution)
    )


def _is_valid_reading(reading: Reading) -> bool:
    names = (
        reading.operation,
        reading.provider,
        reading.model_requested,
        reading.model_returned,
        reading.model_asked,
        reading.response_id,
        reading.error,
        reading.account,
        reading.tenant,
        reading.reporter,
        reading.provider_cost,
        reading.foreign_cost,
    )
    return (
        _are_text((reading.role, *reading.doubts))
        and _are_text_or_none(names)
        and isinstance(reading.context, dict)
        and _are_labels(reading.labels)
    )


def _is_valid_usage(usage: Usage) -> bool:
    totals = [n for n in (usage.input_total, usage.output_total) if n is not None]
    return _are_quantities(usage.leaves.values()) and _are_quantities(totals)


def _is_valid_cost(cost: Cost) -> bool:
    row = cost.row
    return (
        _are_text((cost.source, row.currency))
        and _are_text_or_none((cost.reason, row.price_id, row.book, row.model))
        and _are_quantities(cost.quantities.values())
        and all(_is_valid_rate(rate, cost.quantities[leaf]) for leaf, rate in row.rates.items())
    )


def _is_valid_rate(rate: Rate, quantity: int) -> bool:
    return 0 <= rate.numerator * quantity < _AMOUNT_LIMIT * rate.denominator


def _is_valid_attribution(attribution: Attribution) -> bool:
    return (
        _are_text_or_none((attribution.tenant, attribution.source, attribution.absent))
        and _are_text((attribution.initiator,))
        and (attribution.tenant is None) == (attribution.absent is not None)
        and _are_labels(attribution.labels)
        and _are_text(tenant for tenant, _ in attribution.shares)
        and all(type(weight) is int and weight > 0 for _, weight in attribution.shares)
    )


def _are_text(values: Iterable[object]) -> bool:
    return _TEXT.issuperset(map(type, values))


def _are_text_or_none(values: Iterable[object]) -> bool:
    return _TEXT_OR_NONE.issuperset(map(type, values))


def _are_labels(labels: Mapping[str, str]) -> bool:
    return isinstance(labels, dict) and (_are_text(labels.keys()) and _are_text(labels.values()))


def _are_quantities(values: Collection[int]) -> bool:
    return not values or (
        _WHOLE.issuperset(map(type, values)) and min(values) >= 0 and max(values) < QUANTITY_LIMIT
    )
