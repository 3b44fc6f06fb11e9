"""Calls without a total: which models, why, which leaf lacks a rate, and what is known of their cost at least."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from otel_genai_cost.ledger.charge import Charge
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.receipt import lacking
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.words import REASONS

__all__ = ["Unpriced", "unpriced", "unpriced_record"]

_Key = tuple[str | None, str | None, str | None, tuple[str, ...], str]


class Unpriced(NamedTuple):
    """Calls of one model that have no total for one reason.

    Attributes:
        lacks: the leaves of usage that have no rate.
        calls: how many.
        partial: how many of them have a price for the rest of their usage.
        at_least: atto, what that rest comes to.
        first_us: when the first of them ended, unix microseconds.
        last_us: when the last did.
        charge_id: the last of them.
    """

    provider: str | None
    model: str | None
    reason: str | None
    lacks: tuple[str, ...]
    currency: str
    calls: int
    partial: int
    at_least: int
    first_us: int
    last_us: int
    charge_id: str


def unpriced(found: Iterable[Charge], selection: Selection) -> list[Unpriced]:
    """The unpriced among charges, grouped; those with the most calls first."""
    sums: dict[_Key, Unpriced] = {}
    for charge in found:
        for position in charge.positions:
            if position.unpriced and selection.has(position):
                one = _one(charge.charge_id, position)
                key = one[:5]
                sums[key] = _plus(sums[key], one) if key in sums else one
    return sorted(
        sums.values(), key=lambda one: (-one.calls, one.provider or "", one.model or "", one.lacks)
    )


def _one(charge_id: str, position: Position) -> Unpriced:
    return Unpriced(
        provider=position.provider,
        model=position.model,
        reason=position.reason,
        lacks=tuple(sorted(lacking(position))),
        currency=position.currency,
        calls=position.unpriced,
        partial=position.unpriced if position.lines else 0,
        at_least=position.amount,
        first_us=position.occurred_us,
        last_us=position.occurred_us,
        charge_id=charge_id,
    )


def _plus(one: Unpriced, other: Unpriced) -> Unpriced:
    latest = max(one, other, key=lambda each: each.last_us)
    return latest._replace(
        calls=one.calls + other.calls,
        partial=one.partial + other.partial,
        at_least=one.at_least + other.at_least,
        first_us=min(one.first_us, other.first_us),
    )


def unpriced_record(one: Unpriced) -> dict[str, Any]:
    """A group as others script against it; `at_least` is null where nothing is known."""
    return {
        "provider": one.provider,
        "model": one.model,
        "reason": one.reason,
        "lacks": list(one.lacks),
        "calls": one.calls,
        "partial": one.partial,
        "at_least": format_money(one.at_least) if one.partial else None,
        "currency": one.currency,
        "first": rfc3339(one.first_us),
        "last": rfc3339(one.last_us),
        "charge_id": one.charge_id,
        "remedy": _remedy(one),
    }


def _remedy(one: Unpriced) -> str:
    if one.lacks:
        return (
            f"no row gives {one.model or 'this model'} a rate for {', '.join(one.lacks)}: if yours prices it, add that "
            "to the row; the ledger rates the calls again by itself"
        )
    return REASONS.get(one.reason or "", "")
