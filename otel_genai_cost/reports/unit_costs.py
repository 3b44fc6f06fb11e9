"""What calls of each model cost each, and for a thousand tokens.

Both are of the calls whose figure is known whole: neither the parts that are known of others nor their tokens are in
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.pricing.money import divide_half_even, format_money
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.tables import (
    Group,
    atto_of,
    group_record,
    query_parts,
    report,
    text_of_key,
    totals,
)

__all__ = [
    "UNITS_BY",
    "UNIT_COLUMNS",
    "Tokens",
    "UnitCost",
    "tokens_by",
    "unit_cost_record",
    "unit_costs",
    "unit_costs_of",
]

_SQL: Final = (Path(__file__).parent / "sql" / "unit_costs.sql").read_text(encoding="utf-8")
UNITS_BY: Final = ("provider", "model", "reason")
"""What models are told apart by, and calls whose figure is known whole from others."""

_THOUSAND: Final = 1_000

UNIT_COLUMNS: Final = (
    *("provider", "model", "calls", "priced", "unpriced", "total", "at_least", "currency"),
    *("input_tokens", "output_tokens", "per_call", "per_thousand_tokens"),
)
"""Of a table."""

Tokens = Mapping[tuple[str | None, ...], tuple[int, ...]]
"""In and out, by the values of some dimensions and the currency."""

_Key = tuple[str | None, str | None, str]


class UnitCost(NamedTuple):
    """The calls of a model in one currency.

    Attributes:
        provider, model: as they are booked.
        group: of all its calls, as a report has it.
        priced: how many of them have a figure that is known whole.
        cost: atto, of these.
        input_tokens, output_tokens: of these.
    """

    provider: str | None
    model: str | None
    group: Group
    priced: int
    cost: int
    input_tokens: int
    output_tokens: int

    @property
    def per_call(self) -> int | None:
        """Atto, half to even at 1e-18; None without a call that is priced."""
        return divide_half_even(self.cost, self.priced) if self.priced > 0 else None

    @property
    def per_thousand(self) -> int | None:
        """Atto for a thousand tokens in and out, likewise; None where no token is counted."""
        tokens = self.input_tokens + self.output_tokens
        if self.priced <= 0 or tokens <= 0:
            return None
        return divide_half_even(self.cost * _THOUSAND, tokens)


def unit_costs(store: Queryable, selection: Selection = EVERYTHING) -> list[UnitCost]:
    """The models, the dearest of each currency first.

    Args:
        store: what holds the entries.
        selection: which calls, and the side of the money.
    """
    groups = report(store, UNITS_BY, selection)
    return unit_costs_of(groups, tokens_by(store, UNITS_BY, selection))


def unit_costs_of(groups: Iterable[Group], tokens: Tokens) -> list[UnitCost]:
    """The models, the dearest of each currency first.

    Args:
        groups: a report by `UNITS_BY`.
        tokens: of the same calls, as `tokens_by` has them by that.
    """
    found: dict[_Key, list[Group]] = {}
    for group in groups:
        key = (group.keys["provider"], group.keys["model"], group.currency)
        found.setdefault(key, []).append(group)
    costs = [_unit_cost(key, its, tokens) for key, its in found.items()]
    return sorted(costs, key=_order)


def _order(one: UnitCost) -> tuple[str, int, str, str]:
    known = atto_of(one.group.at_least) if one.group.at_least is not None else -1
    return (one.group.currency, -known, one.provider or "", one.model or "")


def _unit_cost(key: _Key, groups: Sequence[Group], tokens: Tokens) -> UnitCost:
    provider, model, currency = key
    whole = [group for group in groups if not group.unpriced]
    used = [tokens[provider, model, group.keys["reason"], currency] for group in whole]
    return UnitCost(
        provider=provider,
        model=model,
        group=totals(groups)[0],
        priced=sum(group.priced for group in whole),
        cost=sum(atto_of(group.total) for group in whole if group.total is not None),
        input_tokens=sum(inward for inward, _ in used),
        output_tokens=sum(outward for _, outward in used),
    )


def tokens_by(
    store: Queryable,
    by: Sequence[str],
    selection: Selection,
    after_seq: int | None = None,
) -> Tokens:
    """Tokens in and out, by the values of some dimensions and the currency: the rows that `report` has, and sums that
    add up with those of other entries.

    Args:
        store: what holds the entries.
        by: names of dimensions.
        selection: which calls, and the side whose currency is meant.
        after_seq: the last entry that does not count.
    """
    parts = query_parts(by, selection, first=2)
    rows = store.query(_SQL.format(**parts.sql), [after_seq, *parts.parameters]).rows
    return {
        (*(text_of_key(value, selection.zone) for value in key), currency): (inward, outward)
        for *key, currency, inward, outward in rows
    }


def unit_cost_record(one: UnitCost) -> dict[str, Any]:
    """A row as others script against it: money is a decimal string, what is unknown is null."""
    return {
        "provider": one.provider,
        "model": one.model,
        **group_record(one.group),
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "per_call": _text(one.per_call),
        "per_thousand_tokens": _text(one.per_thousand),
    }


def _text(amount: int | None) -> str | None:
    return None if amount is None else format_money(amount)
