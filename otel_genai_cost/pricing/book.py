"""The price book: dated rows, names, and the tariffs compiled from them.

A row (`Price`) holds the rates of one model under one conjunction of conditions in one span of time. Rows are
append-only and bitemporal: `valid_from`/`valid_to` say when the provider charged so, `recorded_at` when we learned
it; a correction is a later row that `supersedes` another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.compile import compile_tariff, conjunctions, threshold
from otel_genai_cost.pricing.cost import Rate, rate_of, unpriced
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.rate import Conditions, Tariff
from otel_genai_cost.pricing.resolve import NAME_LIMIT, Meaning, Names, Refusal

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

    `document` is the parsed lock, already checked; `lock` its canonical bytes; `digest` their sha256.
    """

    def __init__(self, document: Mapping[str, Any], lock: bytes, digest: str) -> None:
        self.lock, self.digest = lock, digest
        self._document = document
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
        """Listed names that look like what is unknown of the two: to show to a person, never to price with."""
        from difflib import get_close_matches  # slow to import, and only for a message

        known = self.names.providers.get((provider or "").casefold())
        if known is None:
            asked, listed = provider, list(self.names.providers)
        else:
            asked, listed = model, [name for owner, name in self.names.models if owner == known]
        return tuple(get_close_matches((asked or "").casefold()[:NAME_LIMIT], listed, n=3))

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
        models: dict[tuple[str, str], tuple[Meaning, ...]] = {}
        for model in self._document["models"]:
            for name in (model["id"], *model.get("aliases", ())):
                word, meaning = meaning_of(name, model["id"])
                key = (model["provider"], word)
                known = dict.fromkeys(models.get(key, ()))
                models[key] = tuple(sorted({**known, meaning: None}, key=_since))
        return Names(providers, models)

    @cached_property
    def _rows_by_model(self) -> Mapping[tuple[str, str], list[Mapping[str, Any]]]:
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in self._document["prices"]:
            found.setdefault((row["provider"], row["model"]), []).append(row)
        return found

    @cached_property
    def _standard_tiers(self) -> Mapping[str, frozenset[str]]:
        return {
            entry["id"]: frozenset(word.casefold() for word in entry.get("standard_tiers", ()))
            for entry in self._document["providers"]
        }

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
        provider_id, meanings = resolved
        rows = [
            clipped
            for meaning in meanings
            for row in self._rows_by_model.get((provider_id, meaning.model), ())
            if (clipped := clip(price_of(row, self._sources), meaning)) is not None
        ]
        label = f"{provider_id}/{meanings[-1].model}"
        return compile_tariff(label, self.digest, self._standard_tiers[provider_id], rows)


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


def meaning_of(name: str | Mapping[str, Any], model: str) -> tuple[str, Meaning]:
    """A name case-folded, and what it means: an id or alias is a word, or a table with `name` and `from` or `to`."""
    if isinstance(name, str):
        return name.casefold(), Meaning(model)
    ends = [name.get("from"), name.get("to")]
    return name["name"].casefold(), Meaning(
        model, *(None if end is None else microseconds(end) for end in ends)
    )


def _since(meaning: Meaning) -> int:
    return 0 if meaning.from_us is None else meaning.from_us


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
