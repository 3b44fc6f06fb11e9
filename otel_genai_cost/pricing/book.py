"""The price book: dated rows, names, and the tariffs compiled from them.

A row (`Price`) holds the rates of one model under one conjunction of conditions in one span of time. Rows are
append-only and bitemporal: `valid_from`/`valid_to` say when the provider charged so, `recorded_at` when we learned
it; a correction is a later row that `supersedes` another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.compile import Calendars, compile_tariff, conjunctions, threshold
from otel_genai_cost.pricing.cost import Rate, rate_of, unpriced
from otel_genai_cost.pricing.document import Document, Part
from otel_genai_cost.pricing.fees import FEE_KEYS, NO_FEES, Fees
from otel_genai_cost.pricing.instants import days_of, microseconds
from otel_genai_cost.pricing.resolve import (
    NAME_LIMIT,
    Meaning,
    Meanings,
    Names,
    Refusal,
    names_of,
    resolve,
)
from otel_genai_cost.pricing.tariff import Conditions, Tariff
from otel_genai_cost.vocabulary import Reason

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

USUAL: Final = {
    "standard_tiers": "service_tier",
    "standard_geos": "inference_geo",
    "standard_speeds": "speed",
    "standard_regions": "region",
    "standard_deployments": "deployment_type",
}
"""A provider's list of words that mean its standard, and the condition they are words of."""

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

    `when` is a conjunction: price conditions (`batch`, `service_tier`, …) that must equal the call's or, as a list,
    contain it, and `input_tokens_gt` or `input_tokens_gte`, beyond which the whole request has these rates.
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
    fees: Fees = NO_FEES
    is_undated: bool = False

    @property
    def conditions(self) -> tuple[Conditions, ...]:
        """Every conjunction that the row holds under."""
        return conjunctions(self.when)

    @property
    def threshold(self) -> int:
        """The least input total of the row: 0 for a base row."""
        return threshold(self.when)


class Book:
    """Rows by model, and the tariffs compiled from them on first use. Opens no file; safe to share by threads.

    Args:
        document: what the lock says, already checked.
        lock: its canonical JSON.
        digest: sha256 of the lock, hexadecimal.
    """

    def __init__(self, document: Document, lock: bytes, digest: str) -> None:
        self.lock, self.digest = lock, digest
        self.document = document
        self._shelves: dict[str, _Shelf] = {}
        self._memo: dict[tuple[str | None, str | None], Tariff | Refusal] = {}

    def tariff(self, provider: str | None, model: str | None) -> Tariff | Refusal:
        """The compiled rows of a model, or why there are none. Unknown names are remembered as well."""
        found = self._memo.get((provider, model))
        return self._remember(provider, model) if found is None else found

    def _remember(self, provider: str | None, model: str | None) -> Tariff | Refusal:
        found = self._compile(provider, model)
        if len(provider or "") <= NAME_LIMIT and len(model or "") <= NAME_LIMIT:
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            self._memo[provider, model] = found
        return found

    def price(self, price_id: str) -> Price | None:
        """The row with that id. It names its provider, whose rows alone are read as long as that is so."""
        provider, _, _ = price_id.partition("/")
        for row in self.document.part(provider).prices:
            if row["id"] == price_id:
                return price_of(row, self._sources)
        return self._prices.get(price_id)

    def prices_of(self, provider: str, model: str) -> list[Price]:
        """Every row of a model, superseded ones included.

        Args:
            provider: its id in the book.
            model: its id in the book.
        """
        return [price_of(row, self._sources) for row in self._shelf(provider).rows.get(model, ())]

    def prices(self) -> Iterable[Price]:
        """Every row, superseded ones included."""
        return self._prices.values()

    def as_known_on(self, known_us: int) -> Book:
        """The same book without the rows recorded after `known_us`; its digest names the instant too."""
        known = self.document.where(lambda row: microseconds(row["recorded_at"]) <= known_us)
        return Book(known, self.lock, f"{self.digest}@{known_us}")

    def suggest(self, provider: str | None, model: str | None) -> tuple[str, ...]:
        """Listed names that look like what is unknown of the two: to show to a person, never to price with."""
        from difflib import get_close_matches  # slow to import, and only for a message

        known = self._providers.get((provider or "").casefold())
        if known is None:
            asked, listed = provider, list(self._providers)
        else:
            asked, listed = model, list(self._shelf(known).names)
        return tuple(get_close_matches((asked or "").casefold()[:NAME_LIMIT], listed, n=3))

    @cached_property
    def newest_recorded_at_us(self) -> int:
        """When the newest row was learned: the book's age counts from here."""
        if (newest := self.document.index.get("newest")) is not None:
            return microseconds(newest)
        return max((microseconds(row["recorded_at"]) for row in self.document.prices()), default=0)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        count = self.document.index.get("rows")
        return sum(1 for _ in self.document.prices()) if count is None else int(count)

    @cached_property
    def names(self) -> Names:
        """Every provider's and model's id and aliases."""
        models = {
            (provider, name): meanings
            for provider, _ in self.document.parts()
            for name, meanings in self._shelf(provider).names.items()
        }
        return Names(self._providers, models)

    @cached_property
    def _providers(self) -> Mapping[str, str]:
        return {
            name.casefold(): provider["id"]
            for provider in self.document.providers
            for name in (provider["id"], *provider.get("aliases", ()))
        }

    @cached_property
    def _usual(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        return {entry["id"]: _usual_words(entry) for entry in self.document.providers}

    @cached_property
    def _calendars(self) -> Calendars:
        return {entry["id"]: days_of(entry["days"]) for entry in self.document.calendars}

    @cached_property
    def _sources(self) -> Mapping[str, Source]:
        return {row["id"]: Source(**row) for row in self.document.sources}

    @cached_property
    def _prices(self) -> Mapping[str, Price]:
        prices = (price_of(row, self._sources) for row in self.document.prices())
        return {price.id: price for price in prices}

    def _shelf(self, provider: str) -> _Shelf:
        shelf = self._shelves.get(provider)
        if shelf is None:
            shelf = self._shelves[provider] = _shelf_of(self.document.part(provider))
        return shelf

    def _compile(self, provider: str | None, model: str | None) -> Tariff | Refusal:
        known = self._providers.get(provider.casefold()) if provider else None
        names: Meanings = {} if known is None else self._shelf(known).names
        resolved = resolve(known, names, provider, model, self._providers)
        if isinstance(resolved, Refusal) or known is None:
            reason: Reason = (
                resolved.reason if isinstance(resolved, Refusal) else "unknown_provider"
            )
            return Refusal(reason, provider, model, unpriced(reason, self.digest))
        rows = [
            clipped
            for meaning in resolved
            for row in self._shelf(known).rows.get(meaning.model, ())
            if (clipped := clip(price_of(row, self._sources), meaning)) is not None
        ]
        label = f"{known}/{resolved[-1].model}"
        return compile_tariff(label, self.digest, self._usual[known], rows, self._calendars)


class _Shelf(NamedTuple):
    """One provider's names, case-folded, and its rows by model."""

    names: Mapping[str, tuple[Meaning, ...]]
    rows: Mapping[str, list[Mapping[str, Any]]]


def _shelf_of(part: Part) -> _Shelf:
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in part.prices:
        rows.setdefault(row["model"], []).append(row)
    return _Shelf(names_of(part.models, part.aliases), rows)


def _usual_words(provider: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
    """Words of a condition that mean the provider's standard."""
    return {
        condition: frozenset(word.casefold() for word in provider.get(key, ()))
        for key, condition in USUAL.items()
    }


class _NoBook(Book):
    """No price file could be read: every call is journalled unpriced, and rated later."""

    def __init__(self) -> None:
        super().__init__(Document.of({}), b"", "")

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
        rates={leaf: _rate(leaf, text) for leaf, text in row["rates"].items()},
        supersedes=row.get("supersedes"),
        refuse=bool(row.get("refuse")),
        fees=_fees(row),
        is_undated=bool(row.get("undated")),
    )


def _rate(leaf: str, published: str) -> Rate:
    return rate_of(published, PER.get(leaf, PER_TOKENS))


def _fees(row: Mapping[str, Any]) -> Fees:
    """The row's keys that say how its leaves are billed."""
    if row.keys().isdisjoint(FEE_KEYS):
        return NO_FEES
    ranges: Mapping[str, Mapping[str, str]] = row.get("between", {})
    between = {
        leaf: (_rate(leaf, ends["low"]), _rate(leaf, ends["high"])) for leaf, ends in ranges.items()
    }
    return Fees(
        due=row.get("due", {}),
        needs=tuple(row.get("needs", ())),
        at_least=row.get("at_least", {}),
        at_most=row.get("at_most", {}),
        between=between,
    )


def clip(row: Price, meaning: Meaning) -> Price | None:
    """The row within the time in which a name means its model; None where they do not meet."""
    from_us, to_us = row.valid_from_us, row.valid_to_us
    if meaning.from_us is not None:
        from_us = max(from_us, meaning.from_us)
    if meaning.to_us is not None:
        to_us = meaning.to_us if to_us is None else min(to_us, meaning.to_us)
    if to_us is not None and from_us >= to_us:
        return None
    return row._replace(valid_from_us=from_us, valid_to_us=to_us)
