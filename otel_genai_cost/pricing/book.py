"""The price book: dated rows, names, and the tariffs compiled from them.

A row (`Price`) holds the rates of one model under one conjunction of conditions in one span of time. Rows are
append-only and bitemporal: `valid_from`/`valid_to` say when the provider charged so, `recorded_at` when we learned
it; a correction is a later row that `supersedes` another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.cost import Rate, Vector, rate_of, unpriced
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.rate import CONDITIONS, FOREVER_US, Conditions, Period, Tariff
from otel_genai_cost.pricing.resolve import Names, Refusal

__all__ = ["NO_BOOK", "PER", "Book", "Price", "Refusal", "Source", "Tariff"]

PER: Final[Mapping[str, int]] = {
    "requests": 1,
    "web_searches": 1_000,
    "images": 1,
    "characters": 1_000_000,
    "pages": 1_000,
    "media_ms": 3_600_000,
}
"""How many units of a count leaf a published price is for (audio: an hour); tokens: a million."""

PER_TOKENS: Final = 1_000_000
_MEMO_LIMIT: Final = 4_096


class Source(NamedTuple):
    """Where a price was read, and when."""

    id: str
    name: str
    url: str
    seen_at: str


class Price(NamedTuple):
    """One dated row. Times are unix microseconds; `valid_to_us` is exclusive, None while in force.

    `when` is a conjunction: price conditions (`batch`, `service_tier`, …) that must equal the call's, and
    `input_tokens_gt` or `input_tokens_gte`, beyond which the whole request has these rates.
    """

    id: str
    provider: str
    model: str
    currency: str
    valid_from_us: int
    valid_to_us: int | None
    recorded_at_us: int
    source: Source
    when: Mapping[str, Any]
    rates: Mapping[str, Rate]
    supersedes: str | None = None
    refuse: bool = False

    @property
    def conditions(self) -> Conditions:
        """The conditions in the order in which calls' contexts are read."""
        return tuple((key, self.when[key]) for key in CONDITIONS if key in self.when)

    @property
    def threshold(self) -> int:
        """The least input total of the row: 0 for a base row."""
        if (beyond := self.when.get("input_tokens_gt")) is not None:
            return int(beyond) + 1
        return int(self.when.get("input_tokens_gte", 0))


class Book:
    """Rows by model, and the tariffs compiled from them on first use. Opens no file; safe to share by threads.

    `document` is the parsed lock, already checked; `lock` its canonical bytes; `digest` their sha256.
    """

    def __init__(self, document: Mapping[str, Any], lock: bytes, digest: str) -> None:
        self.lock, self.digest = lock, digest
        self._document = document
        self._memo: dict[tuple[str | None, str | None], Tariff | Refusal] = {}

    def tariff(self, provider: str | None, model: str | None) -> Tariff | Refusal:
        """The compiled rows of a model, or why there are none. Unknown names are remembered as well."""
        found = self._memo.get((provider, model))
        if found is None:
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            found = self._memo[provider, model] = self._compile(provider, model)
        return found

    def price(self, price_id: str) -> Price | None:
        """The row with that id."""
        return self._prices.get(price_id)

    def prices(self) -> Iterable[Price]:
        """Every row, superseded ones included."""
        return self._prices.values()

    def as_known_on(self, known_us: int) -> Book:
        """The same book without the rows recorded after `known_us`; its digest names the instant too."""
        rows = [
            row for row in self._document["prices"] if microseconds(row["recorded_at"]) <= known_us
        ]
        return Book({**self._document, "prices": rows}, self.lock, f"{self.digest}@{known_us}")

    def suggest(self, provider: str | None, model: str | None) -> tuple[str, ...]:
        """Listed names that look like `model`: to show to a person, never to price with."""
        from difflib import get_close_matches  # slow to import, and only for a message

        known = self.names.providers.get((provider or "").casefold())
        listed = [name for owner, name in self.names.models if known in (None, owner)]
        return tuple(get_close_matches((model or "").casefold(), listed, n=3, cutoff=0.6))

    @cached_property
    def newest_recorded_at_us(self) -> int:
        """When the newest row was learned: the book's age counts from here."""
        return max(
            (microseconds(row["recorded_at"]) for row in self._document["prices"]), default=0
        )

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self._document["prices"])

    @cached_property
    def names(self) -> Names:
        """Every provider's and model's id and aliases."""
        providers = {
            name.casefold(): provider["id"]
            for provider in self._document["providers"]
            for name in (provider["id"], *provider.get("aliases", ()))
        }
        models = {
            (model["provider"], name.casefold()): model["id"]
            for model in self._document["models"]
            for name in (model["id"], *model.get("aliases", ()))
        }
        return Names(providers, models)

    @cached_property
    def _rows_by_model(self) -> Mapping[tuple[str, str], list[Mapping[str, Any]]]:
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in self._document["prices"]:
            found.setdefault((row["provider"], row["model"]), []).append(row)
        return found

    @cached_property
    def _sources(self) -> Mapping[str, Source]:
        return {row["id"]: Source(**row) for row in self._document["sources"]}

    @cached_property
    def _prices(self) -> Mapping[str, Price]:
        prices = (price_of(row, self._sources) for row in self._document["prices"])
        return {price.id: price for price in prices}

    def _compile(self, provider: str | None, model: str | None) -> Tariff | Refusal:
        resolved = self.names.resolve(provider, model)
        if isinstance(resolved, Refusal):
            return resolved._replace(cost=unpriced(resolved.reason, self.digest))
        rows = [price_of(row, self._sources) for row in self._rows_by_model.get(resolved, [])]
        standard = next(
            (
                frozenset(entry.get("standard_tiers", ()))
                for entry in self._document["providers"]
                if entry["id"] == resolved[0]
            ),
            frozenset[str](),
        )
        return compile_tariff("/".join(resolved), self.digest, standard, rows)


class _NoBook(Book):
    """No price file could be read: every call is journalled unpriced, and rated later."""

    def __init__(self) -> None:
        super().__init__({"providers": [], "models": [], "prices": [], "sources": []}, b"", "")

    def _compile(self, provider: str | None, model: str | None) -> Tariff | Refusal:
        return Refusal("no_price_book", provider, model, unpriced("no_price_book"))


NO_BOOK: Final[Book] = _NoBook()


def price_of(row: Mapping[str, Any], sources: Mapping[str, Source]) -> Price:
    """The row of a checked lock entry."""
    to = row.get("to")
    return Price(
        id=row["id"],
        provider=row["provider"],
        model=row["model"],
        currency=row["currency"],
        valid_from_us=microseconds(row["from"]),
        valid_to_us=None if to is None else microseconds(to),
        recorded_at_us=microseconds(row["recorded_at"]),
        source=sources[row["source"]],
        when=row.get("when", {}),
        rates={
            leaf: rate_of(text, PER.get(leaf, PER_TOKENS)) for leaf, text in row["rates"].items()
        },
        supersedes=row.get("supersedes"),
        refuse=bool(row.get("refuse")),
    )


def compile_tariff(
    model: str, book: str, standard_tiers: frozenset[str], rows: list[Price]
) -> Tariff:
    """Group the rows of one model by conditions, then by time; superseded rows drop out.

    A row that refuses (`refuse = true`: not offered under these conditions) has no rates, so every leaf is refused.
    """
    gone = {row.supersedes for row in rows}
    grouped: dict[Conditions, dict[tuple[int, int | None], list[Price]]] = {}
    for row in rows:
        if row.id not in gone:
            spans = grouped.setdefault(row.conditions, {})
            spans.setdefault((row.valid_from_us, row.valid_to_us), []).append(row)
    schedules = {
        conditions: tuple(
            _period(span, members, model, book)
            for span, members in sorted(spans.items(), key=_latest_first)
        )
        for conditions, spans in grouped.items()
    }
    return Tariff(model, book, standard_tiers, schedules.get(()), schedules)


def _latest_first(item: tuple[tuple[int, int | None], list[Price]]) -> int:
    return -item[0][0]


def _period(span: tuple[int, int | None], members: list[Price], model: str, book: str) -> Period:
    """The base row of a span and its tiers, highest threshold first."""
    ordered = sorted(members, key=lambda row: row.threshold, reverse=True)
    tiers = tuple((row.threshold, _vector(row, model, book)) for row in ordered if row.threshold)
    to_us = FOREVER_US if span[1] is None else span[1]
    return Period(span[0], to_us, _vector(ordered[-1], model, book), tiers)


def _vector(row: Price, model: str, book: str) -> Vector:
    rates = dict(row.rates)
    if "output" in rates:
        rates.setdefault("reasoning", rates["output"])
    even = rates and all(rate.denominator == 1 for rate in rates.values())
    units = {leaf: rate.numerator for leaf, rate in rates.items()} if even else None
    return Vector(row.id, row.currency, rates, units, book, model)
