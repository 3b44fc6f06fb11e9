"""From dated rows to the tariff that `rate` reads: one schedule for each conjunction of conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise, product
from math import gcd
from typing import Any, Final, Protocol

from otel_genai_cost.pricing.clock import clock_of
from otel_genai_cost.pricing.cost import Rate, RateCard
from otel_genai_cost.pricing.fees import Fees
from otel_genai_cost.pricing.tariff import (
    CONDITIONS,
    FOREVER_US,
    Conditions,
    Period,
    Schedule,
    Tariff,
    Tier,
)

__all__ = ["Calendars", "Row", "compile_tariff", "conjunctions", "threshold"]

Calendars = Mapping[str, frozenset[int]]
"""A calendar's id -> the days it lists, counted from 1970."""


_WRITES: Final = ("cache_write_5m", "cache_write_1h", "cache_write_12h")
"""Lifetimes of a cache write; the first is the provider's default, whatever its length."""


class Row(Protocol):
    """What compiling needs of a price row."""

    @property
    def id(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def valid_from_us(self) -> int: ...
    @property
    def valid_to_us(self) -> int | None: ...
    @property
    def when(self) -> Mapping[str, Any]: ...
    @property
    def rates(self) -> Mapping[str, Rate]: ...
    @property
    def supersedes(self) -> str | None: ...
    @property
    def fees(self) -> Fees: ...
    @property
    def is_undated(self) -> bool: ...


def conjunctions(when: Mapping[str, Any]) -> tuple[Conditions, ...]:
    """Every conjunction that a row's `when` stands for: a list holds for each of its words."""
    choices = [
        [(key, word) for word in _words(when[key])]
        for key in CONDITIONS
        if when.get(key) is not None
    ]
    return tuple(product(*choices))


def _words(value: str | bool | list[str]) -> list[str] | list[str | bool]:
    return value if isinstance(value, list) else [value]


def threshold(when: Mapping[str, Any]) -> int:
    """The least input total that `when` admits: 0 where it names none."""
    if (beyond := when.get("input_tokens_gt")) is not None:
        return int(beyond) + 1
    return int(when.get("input_tokens_gte", 0))


def compile_tariff(
    model: str,
    book: str,
    usual: Mapping[str, frozenset[str]],
    rows: Iterable[Row],
    calendars: Calendars,
) -> Tariff:
    """Group the rows of one name by conditions, then by time; superseded rows drop out.

    A row that refuses (`refuse = true`: not offered under these conditions) has no rates, so every leaf is refused.

    Args:
        model: the model's id in the book.
        book: the digest of the book.
        usual: for each condition of scope, the words that mean the default.
        rows: of that model, in any order.
        calendars: days by name, for rows that hold by the clock.
    """
    known = list(rows)
    gone = {row.supersedes for row in known}
    grouped: dict[Conditions, list[Row]] = {}
    for row in known:
        if row.id not in gone:
            for conditions in conjunctions(row.when):
                grouped.setdefault(conditions, []).append(row)
    schedules = {
        conditions: _schedule([(row, _tier(row, book, calendars)) for row in members])
        for conditions, members in grouped.items()
    }
    return Tariff(model, book, usual, schedules)


def _schedule(rows: Sequence[tuple[Row, Tier]]) -> Schedule:
    """The periods between any row's beginning and end, latest first; no period where no row holds."""
    instants = sorted({instant for row, _ in rows for instant in (row.valid_from_us, _end(row))})
    periods: list[Period] = []
    for from_us, to_us in pairwise(instants):
        held = [tier for row, tier in rows if row.valid_from_us <= from_us and to_us <= _end(row)]
        if held:
            periods.append(_period(from_us, to_us, held))
    return tuple(reversed(periods))


def _end(row: Row) -> int:
    return FOREVER_US if row.valid_to_us is None else row.valid_to_us


def _period(from_us: int, to_us: int, tiers: Sequence[Tier]) -> Period:
    """The base row and what goes before it: rows of certain hours, then tiers, the highest first; without a base row,
    what no other row holds for is refused."""
    ordered = sorted(tiers, key=lambda tier: (tier[4] is None, -tier[0]))
    least, units, scale, card, clock = ordered[-1]
    if least or clock is not None:
        return from_us, to_us, tuple(ordered), None, 1, card._replace(rates={})
    return from_us, to_us, tuple(ordered[:-1]), units, scale, card


def _tier(row: Row, book: str, calendars: Calendars) -> Tier:
    rates, fees = _completed(row)
    name = f"{row.provider}/{row.model}"
    card = RateCard(
        price_id=row.id,
        currency=row.currency,
        rates=rates,
        book=book,
        model=name,
        fees=fees,
        is_undated=row.is_undated,
    )
    least, clock = threshold(row.when), clock_of(row.when, calendars)
    certain = {
        leaf: rate
        for leaf, rate in rates.items()
        if rate.denominator == 1 and not fees.may_change(leaf)
    }
    if not certain or fees.due or fees.needs:
        return least, None, 1, card, clock
    scale = gcd(*(rate.numerator for rate in certain.values())) or 1
    units = {leaf: rate.numerator // scale for leaf, rate in certain.items()}
    return least, units, scale, card, clock


def _completed(row: Row) -> tuple[Mapping[str, Rate], Fees]:
    """The row's rates with those that follow: reasoning is billed as output, and a cache write of unknown lifetime by
    the provider's default lifetime, between the cheapest and the dearest."""
    rates, fees = dict(row.rates), row.fees
    if "output" in rates:
        rates.setdefault("reasoning", rates["output"])
    writes = [rates[leaf] for leaf in _WRITES if leaf in rates]
    if writes and "cache_write" not in rates:
        rates["cache_write"] = writes[0]
        least, most = min(writes, key=_worth), max(writes, key=_worth)
        if _worth(least) < _worth(most):
            fees = fees._replace(between={**fees.between, "cache_write": (least, most)})
    return rates, fees


def _worth(rate: Rate) -> Fraction:
    return Fraction(rate.numerator, rate.denominator)
