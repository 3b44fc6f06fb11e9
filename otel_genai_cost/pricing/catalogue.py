"""Looking into a book: what is in force, what was, how two books differ, and how old a provider's prices are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from otel_genai_cost.pricing.book import Book, Price
from otel_genai_cost.pricing.cost import Rate
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import divide_half_even, format_money, parse_money
from otel_genai_cost.pricing.resolve import Refusal

__all__ = [
    "Age",
    "Change",
    "ages",
    "changes",
    "history",
    "names_of_model",
    "price_record",
    "prices_at",
    "resolved",
]

_DAY_US = 86_400_000_000


def prices_at(book: Book, at_us: int) -> Iterator[Price]:
    """The rows that hold at an instant, unix microseconds, in the order of their ids."""
    rows = list(book.prices())
    gone = {row.supersedes for row in rows}
    for row in sorted(rows, key=lambda row: row.id):
        ended = row.valid_to_us is not None and row.valid_to_us <= at_us
        if row.id not in gone and row.valid_from_us <= at_us and not ended:
            yield row


def history(book: Book, provider: str, model: str) -> list[Price]:
    """Every row of a model, superseded ones included, in the order in which they began and were recorded.

    Args:
        book: the price book.
        provider: its id in the book.
        model: its id in the book.
    """
    rows = book.prices_of(provider, model)
    return sorted(rows, key=lambda row: (row.valid_from_us, _when(row), row.recorded_at_us))


def resolved(book: Book, provider: str, model: str) -> tuple[str, str] | None:
    """The ids of the provider and model that names stand for; None if the book knows no such model.

    Args:
        book: the price book.
        provider: any name of the provider.
        model: any name of the model, in any case.
    """
    tariff = book.tariff(provider, model)
    if isinstance(tariff, Refusal):
        return None
    known, _, name = tariff.model.partition("/")
    return known, name


def names_of_model(book: Book, provider: str, model: str) -> list[str]:
    """Every name that means the model, at any time, in order.

    Args:
        book: the price book.
        provider: the id of the provider.
        model: the id of the model.
    """
    return sorted(
        name
        for (owner, name), meanings in book.names.models.items()
        if owner == provider and any(meaning.model == model for meaning in meanings)
    )


def _when(row: Price) -> str:
    return json.dumps(dict(row.when), sort_keys=True)


def price_record(row: Price) -> dict[str, Any]:
    """A row as JSON; a rate is what is published, for `per` units."""
    return {
        "price_id": row.id,
        "provider": row.provider,
        "model": row.model,
        "when": dict(row.when),
        "from": rfc3339(row.valid_from_us),
        "to": None if row.valid_to_us is None else rfc3339(row.valid_to_us),
        "recorded_at": rfc3339(row.recorded_at_us),
        "supersedes": row.supersedes,
        "refuse": row.refuse,
        "rates": {
            leaf: {"price": rate.unit_price, "per": rate.per} for leaf, rate in row.rates.items()
        },
        "currency": row.currency,
        "source": row.source.name,
        "source_url": row.source.url,
        "seen_at": row.source.seen_at,
    }


class Change(NamedTuple):
    """A row that one of two books has and the other has not, or has with another rate. `rates` holds the old and the
    new price of each leaf that differs, None where there is none."""

    kind: str
    row: Price
    rates: Mapping[str, tuple[str | None, str | None]]

    @property
    def percent(self) -> Mapping[str, str | None]:
        """How much each leaf's price changes, in percent with two decimals; None without a price before."""
        return {leaf: _percent(old, new) for leaf, (old, new) in self.rates.items()}


def changes(old: Book, new: Book) -> Iterator[Change]:
    """What the new book says otherwise, by provider, model, conditions and first instant."""
    before, after = _by_key(old.prices()), _by_key(new.prices())
    for key in sorted({**before, **after}):
        earlier, later = before.get(key), after.get(key)
        row = later or earlier
        if row is None:
            continue
        rates = _differences(earlier, later)
        if earlier is None or later is None:
            yield Change("added" if earlier is None else "removed", row, rates)
        elif rates or _end(earlier) != _end(later):
            yield Change("changed", row, rates)


def _by_key(rows: Iterable[Price]) -> dict[tuple[str, str, str, int], Price]:
    """The rows that stand, by what they are for."""
    every = list(rows)
    gone = {row.supersedes for row in every}
    return {
        (row.provider, row.model, _when(row), row.valid_from_us): row
        for row in every
        if row.id not in gone
    }


def _end(row: Price) -> tuple[int | None, bool]:
    return row.valid_to_us, row.refuse


def _differences(old: Price | None, new: Price | None) -> dict[str, tuple[str | None, str | None]]:
    nothing: Mapping[str, Rate] = {}
    before = nothing if old is None else old.rates
    after = nothing if new is None else new.rates
    return {
        leaf: (_published(before.get(leaf)), _published(after.get(leaf)))
        for leaf in sorted({*before, *after})
        if before.get(leaf) != after.get(leaf)
    }


def _published(rate: Rate | None) -> str | None:
    return None if rate is None else rate.unit_price


def _percent(old: str | None, new: str | None) -> str | None:
    if old is None or new is None or not (before := parse_money(old)):
        return None
    hundredths = divide_half_even((parse_money(new) - before) * 10_000, before)
    return format_money(hundredths * 10**16)


class Age(NamedTuple):
    """When a provider's prices were last looked at: a row recorded, or its source seen."""

    provider: str
    rows: int
    newest_us: int

    def days(self, now_us: int) -> int:
        """Whole days since."""
        return max(0, (now_us - self.newest_us) // _DAY_US)


def ages(book: Book) -> list[Age]:
    """Each provider's age, the oldest first."""
    found: dict[str, Age] = {}
    for row in book.prices():
        seen_us = max(row.recorded_at_us, microseconds(row.source.seen_at))
        known = found.get(row.provider, Age(row.provider, 0, 0))
        found[row.provider] = Age(row.provider, known.rows + 1, max(known.newest_us, seen_us))
    return sorted(found.values(), key=lambda age: (age.newest_us, age.provider))
