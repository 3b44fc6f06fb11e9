"""The ledger's door: whether what a journal line says can be settled and booked at all.

A checksum proves that a line is what its writer wrote, not that the writer was right. One line that cannot be booked
must not keep everybody else's from being booked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.rows import DAMAGE
from otel_genai_cost.pricing.cost import Cost, Rate, RateCard
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.leaves import QUANTITY_LIMIT
from otel_genai_cost.usage.read import Reading

__all__ = [
    "is_own_valid",
    "is_priced_within_bounds",
    "is_shared_valid",
    "is_valid",
    "valid_entry",
]

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
    try:
        return is_shared_valid(one) and is_own_valid(one) and _are_amounts_valid(one.cost)
    except DAMAGE:  # of a part that is of another kind than it seems to be
        return False


def valid_entry(one: Entry) -> Entry:
    """An entry that somebody else tells of.

    Raises:
        ValueError: if a part of it is of another kind than stores rely on.
    """
    whom = one.attribution
    names = (one.cause, one.cause_id, one.service, one.provider, one.model, one.operation)
    facts = (one.reason, one.quality, one.book, one.contracts, one.billed_in)
    whose = (whom.tenant, whom.source, whom.absent, whom.initiator, *whom.labels.values())
    if not (
        _are_text((one.id, one.charge_id, one.currency, *one.flags))
        and _are_text_or_none((*names, *facts, *whose))
        and _are_whole((one.seq, one.revision, one.calls, one.unpriced, *one.usage.values()))
    ):
        raise ValueError("a text is none, or a number")
    return one


def is_own_valid(one: Observation) -> bool:
    """Whether that is so of what nearly every observation has for itself, prices left aside."""
    path, usage, quantities = one.path, one.reading.usage, one.cost.quantities
    return (
        _ID.fullmatch(one.id) is not None
        and _TEXT.issuperset(map(type, path))
        and _is_time(one.start_us)
        and _is_time(one.end_us)
        and _TEXT_OR_NONE.issuperset((type(one.reading.response_id),))
        and _are_quantities(usage.leaves.values())
        and _is_quantity(usage.input_total)
        and _is_quantity(usage.output_total)
        and (quantities is usage.leaves or _are_quantities(quantities.values()))
        and _are_labels(one.attribution.labels)
    )


def is_shared_valid(one: Observation) -> bool:
    """Whether that is so of what many observations have in common."""
    return (
        _are_text((one.scope, one.scope_version, one.dialect))
        and _are_text_or_none((*one.origin, one.duplicate_of))
        and _are_words_valid(one.reading)
        and _is_row_valid(one.cost)
        and _is_attribution_valid(one.attribution)
    )


def is_priced_within_bounds(row: RateCard, leaves: Collection[str]) -> bool:
    """Whether no quantities of these leaves can come to more than a store holds, or have a rate without a quantity."""
    return all(
        leaf in leaves and _is_rate_valid(rate, QUANTITY_LIMIT) for leaf, rate in row.rates.items()
    )


def _are_words_valid(reading: Reading) -> bool:
    names = (
        reading.operation,
        reading.provider,
        reading.model_requested,
        reading.model_returned,
        reading.model_asked,
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


def _is_row_valid(cost: Cost) -> bool:
    row = cost.row
    return _are_text((cost.source, row.currency)) and _are_text_or_none(
        (cost.reason, row.price_id, row.book, row.model)
    )


def _are_amounts_valid(cost: Cost) -> bool:
    quantities = cost.quantities
    return all(_is_rate_valid(rate, quantities[leaf]) for leaf, rate in cost.row.rates.items())


def _is_rate_valid(rate: Rate, quantity: int) -> bool:
    return 0 <= rate.numerator * quantity < _AMOUNT_LIMIT * rate.denominator


def _is_attribution_valid(attribution: Attribution) -> bool:
    return (
        _are_text_or_none((attribution.tenant, attribution.source, attribution.absent))
        and _are_text((attribution.initiator,))
        and (attribution.tenant is None) == (attribution.absent is not None)
        and _are_text(tenant for tenant, _ in attribution.shares)
        and all(type(weight) is int and weight > 0 for _, weight in attribution.shares)
    )


def _is_time(us: int) -> bool:
    return type(us) is int and 0 <= us < _TIME_LIMIT_US


def _is_quantity(n: int | None) -> bool:
    return n is None or (type(n) is int and 0 <= n < QUANTITY_LIMIT)


def _are_text(values: Iterable[object]) -> bool:
    return _TEXT.issuperset(map(type, values))


def _are_text_or_none(values: Iterable[object]) -> bool:
    return _TEXT_OR_NONE.issuperset(map(type, values))


def _are_whole(values: Iterable[object]) -> bool:
    return _WHOLE.issuperset(map(type, values))


def _are_labels(labels: Mapping[str, str]) -> bool:
    return isinstance(labels, dict) and (_are_text(labels.keys()) and _are_text(labels.values()))


def _are_quantities(values: Collection[int]) -> bool:
    return not values or (
        _WHOLE.issuperset(map(type, values)) and min(values) >= 0 and max(values) < QUANTITY_LIMIT
    )
