"""What of a price book can be said in the collector's own language: which models at which prices, and how which
instrumentations count. What cannot is named, with the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Rate, RateCard
from otel_genai_cost.pricing.resolve import Refusal
from otel_genai_cost.pricing.tariff import FOREVER_US, Period, Tariff
from otel_genai_cost.usage.conventions import SPELLING, Conventional
from otel_genai_cost.usage.dialects import bedrock, genai_cost
from otel_genai_cost.usage.instrumentations import DIALECTS, Read
from otel_genai_cost.usage.providers import canonical, provider_aliases

__all__ = [
    "OMISSIONS",
    "PARTS",
    "CountsKind",
    "Model",
    "Omission",
    "PriceRow",
    "Prices",
    "counts_kinds",
    "prices_of",
]

Omission: TypeAlias = Literal[
    "conditions", "currency", "hours", "fees", "not_tokens", "no_price", "not_in_force", "precision"
]
"""Why a model is left out."""

OMISSIONS: Final[Mapping[Omission, str]] = {
    "conditions": "has prices only under conditions such as a region, none for a call that names none",
    "currency": "priced in another currency than USD",
    "hours": "the price depends on the hour or the day",
    "fees": "fees are due, at least or at most so much is billed",
    "not_tokens": "not billed by input tokens",
    "no_price": "in the book without a price that can be used",
    "not_in_force": "no price in force at that time",
    "precision": "a price in steps finer than 1e-12 USD, or too large",
}

PARTS: Final = (
    "cache_read",
    "cache_write",
    "reasoning",
    "input_audio",
    "output_audio",
    "cache_read_audio",
)
"""Leaves beside `input` and `output` that can be priced."""

_SCALE_MAX: Final = 12
"""Decimal places of a price of one token: 2**53 steps of 1e-12 USD are 9,007 USD, more than any call costs."""

_STEPS_MAX: Final = 10**8
"""Of a price of one token: eight leaves of 10**10 tokens stay within 64 bits."""

_INPUT_PARTS: Final = ("cache_read", "cache_write", "input_audio")
_GROKS: Final = frozenset({"x_ai", "azure.ai.openai", "oci"})
"""Who may count reasoning beside the output of Grok models."""

CountsKind: TypeAlias = Literal["included", "left_out", "own", "other"]
"""How an instrumentation counts. `included`: input includes the cache. `left_out`: it does not. `own`: our own
instrumentors, whose further counts cannot be priced. `other`: in words of its own."""


class PriceRow(NamedTuple):
    """A price in whole steps of 10**-`places` USD for a token, and in which half-open span of time it holds.

    `parts` are in the order of PARTS, each the difference to the price of the total that it is part of; None where it
    has none, as `output`. `is_placed`: calls of some regions have other prices. `counts_apart`: whoever serves it may
    count reasoning beside the output. `tier` is the row for requests of at least `tier_from` input tokens.
    """

    places: int
    input: int
    output: int | None
    parts: tuple[int | None, ...]
    from_us: int
    to_us: int
    is_placed: bool
    counts_apart: bool
    tier_from: int | None = None
    tier: PriceRow | None = None


class Model(NamedTuple):
    """A name of a model in the book, by the book's id of the provider; and its price, or why it is left out."""

    provider: str
    name: str
    price: PriceRow | Omission


class Prices(NamedTuple):
    """What a book says at an instant. `usual` has the names of each provider that its calls are expected under, by the
    book's id; `aliases` its other names, in lower case, to one of those."""

    book: str
    at_us: int
    usual: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, str]
    models: tuple[Model, ...]

    @property
    def left_out(self) -> tuple[tuple[str, Omission], ...]:
        """PROVIDER/MODEL of each name that is left out, and why."""
        return tuple(
            (f"{one.provider}/{one.name}", one.price)
            for one in self.models
            if isinstance(one.price, str)
        )

    @property
    def until_us(self) -> int:
        """When the first of these prices ends; FOREVER_US if none does."""
        return min((_end(one.price) for one in self.models), default=FOREVER_US)


def _end(price: PriceRow | Omission) -> int:
    return FOREVER_US if isinstance(price, str) else price.to_us


def prices_of(book: Book, at_us: int, providers: Collection[str] = ()) -> Prices:
    """What a book says at an instant.

    Args:
        book: The price book.
        at_us: The instant, unix microseconds.
        providers: Ids of the only providers that are wanted; none for all.
    """
    known = book.names.providers
    if providers:
        known = {name: one for name, one in known.items() if one in providers}
    usual, aliases = _providers(known)
    models = (
        Model(provider, name, _price(book.tariff(provider, name), provider, name, at_us))
        for provider, name in sorted(book.names.models)
        if not providers or provider in providers
    )
    return Prices(book.digest, at_us, usual, aliases, tuple(models))


def _providers(
    known: Mapping[str, str],
) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, str]]:
    """The usual names of each provider, which stand for no other, and what all others stand for."""
    standing = provider_aliases()
    usual: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys((*known.values(), *standing.values())):
        if name in known and canonical(name) == name:
            usual[known[name]] = (*usual.get(known[name], ()), name)
    aliases: dict[str, str] = {}
    for name in (*known, *standing):
        meant = canonical(name) or ""
        if meant in known and name not in usual[known[meant]]:
            aliases[name] = meant if meant in usual[known[meant]] else usual[known[meant]][0]
    return usual, aliases


def _price(tariff: Tariff | Refusal, provider: str, name: str, at_us: int) -> PriceRow | Omission:
    if isinstance(tariff, Refusal):
        return "no_price"
    period = next((one for one in tariff.standard if one[0] <= at_us < one[1]), None)
    if period is None:
        return "not_in_force" if tariff.standard else "conditions"
    is_placed = any(key == "region" for named in tariff.schedules for key, _ in named)
    counts_apart = provider in _GROKS and (provider == "x_ai" or "grok" in name)
    return _row(period, is_placed=is_placed, counts_apart=counts_apart)


def _row(period: Period, *, is_placed: bool, counts_apart: bool) -> PriceRow | Omission:
    """The row of a period with its tiers, the lowest first; why there is none if one of them cannot be said."""
    from_us, to_us, tiers, _, _, card = period
    if any(clock is not None for *_, clock in tiers):
        return "hours"
    found: PriceRow | None = None
    above: int | None = None
    for least, one in (*((least, one) for least, _, _, one, _ in tiers), (0, card)):
        row = _rates(one)
        if isinstance(row, str):
            return row
        found = row._replace(
            from_us=from_us,
            to_us=to_us,
            is_placed=is_placed,
            counts_apart=counts_apart,
            tier_from=above,
            tier=found,
        )
        above = least
    return found or "no_price"


def _rates(card: RateCard) -> PriceRow | Omission:
    """The rates of one card, without its time."""
    fees, rates = card.fees, card.rates
    if not rates:
        return "no_price"
    if card.currency != "USD":
        return "currency"
    if fees.counts_otherwise:
        return "fees"
    if "input" not in rates:
        return "not_tokens"
    said = {leaf: rates[leaf] for leaf in ("input", "output", *PARTS) if leaf in rates}
    places = max(map(_places, said.values()))
    if places > _SCALE_MAX:
        return "precision"
    steps = {leaf: one.numerator // 10 ** (18 - places) for leaf, one in said.items()}
    if max(steps.values()) > _STEPS_MAX:
        return "precision"
    parts = tuple(_difference(leaf, steps) for leaf in PARTS)
    return PriceRow(
        places,
        steps["input"],
        steps.get("output"),
        parts,
        0,
        0,
        is_placed=False,
        counts_apart=False,
    )


def _places(rate: Rate) -> int:
    """Decimal places of the price of one token; more than there may be where it does not divide."""
    if rate.denominator != 1:
        return _SCALE_MAX + 1
    places, rest = 18, rate.numerator
    while places and rest % 10 == 0:
        places, rest = places - 1, rest // 10
    return places


def _difference(leaf: str, steps: Mapping[str, int]) -> int | None:
    """What a token of a leaf costs more than it does as one of the total; cached audio is in two other parts."""
    if leaf == "cache_read_audio":
        wanted = ("cache_read_audio", "input", "cache_read", "input_audio")
        if any(one not in steps for one in wanted):
            return None
        audio, text, read, heard = (steps[one] for one in wanted)
        return audio + text - read - heard
    whole = "input" if leaf in _INPUT_PARTS else "output"
    return steps[leaf] - steps[whole] if leaf in steps and whole in steps else None


def counts_kinds() -> Mapping[str, CountsKind]:
    """How each instrumentation of the table counts, by its scope; one that ends in a dot or a dash means all below."""
    found: dict[str, CountsKind] = {}
    for row in DIALECTS:
        kind = _kind(row.read, is_left_out=row.facts.cache_outside)
        found[row.scope] = kind if found.get(row.scope, kind) == kind else "other"
    return found


def _kind(read: Read, *, is_left_out: bool) -> CountsKind:
    if read is genai_cost.read:
        return "own"
    is_conventional = isinstance(read, Conventional) and not read.more and read.spelling is SPELLING
    if is_conventional or read in (bedrock.read, bedrock.read_botocore):
        return "left_out" if is_left_out else "included"
    return "other"
