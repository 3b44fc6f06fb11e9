"""What other terms would have made of the calls on disk: another book, other contracts, another model, more caching.
Nothing is booked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.rerating.rerate import Rerated
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.catalogue import resolved
from otel_genai_cost.pricing.money import ATTO, divide_half_even, format_money, money_in
from otel_genai_cost.pricing.what_if import Model, WhatIf
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.usage.leaves import Usage

__all__ = [
    "IMPACT_COLUMNS",
    "Impact",
    "ImpactKey",
    "all_of",
    "impact_of",
    "impact_record",
    "impact_records",
    "instead_of",
    "more_cached",
    "replaced_models",
    "share_in",
]

IMPACT_COLUMNS: Final = (
    "tenant",
    "model",
    "charges",
    "changed",
    "before",
    "after",
    "difference",
    "currency",
    "unpriced_before",
    "unpriced_after",
)


class Impact(NamedTuple):
    """Calls as they are booked and as the terms have them; money is atto, of what is known."""

    charges: int = 0
    changed: int = 0
    before: int = 0
    after: int = 0
    unpriced_before: int = 0
    unpriced_after: int = 0

    def plus(self, *more: int) -> Impact:
        """With so much more of each."""
        return Impact(*(a + b for a, b in zip(self, more, strict=True)))


ImpactKey = tuple[str | None, str | None, str]
"""Tenant, model and currency."""


def impact_of(
    found: Iterable[Rerated], selection: Selection, what_if: WhatIf | None = None
) -> dict[ImpactKey, Impact]:
    """What charges come to, by tenant, model and currency.

    Args:
        found: charges as booked and as the terms have them.
        selection: which calls.
        what_if: only calls whose model it replaces; None for all.
    """
    sums: dict[ImpactKey, Impact] = {}

    def add(position: Position, *more: int) -> None:
        key = (position.attribution.tenant, position.model, position.currency)
        sums[key] = sums.get(key, Impact()).plus(*more)

    for one in found:
        for position in _meant(one.before, selection, what_if):
            calls = position.calls
            add(position, calls, calls * one.changed, position.amount, 0, position.unpriced, 0)
        for position in _meant(one.after, selection, what_if):
            add(position, 0, 0, 0, position.amount, 0, position.unpriced)
    return sums


def _meant(
    positions: Iterable[Position], selection: Selection, what_if: WhatIf | None
) -> Iterator[Position]:
    for one in filter(selection.has, positions):
        if what_if is None or what_if.taken_instead(one.provider, one.model) is not None:
            yield one


def all_of(sums: Mapping[ImpactKey, Impact]) -> dict[ImpactKey, Impact]:
    """The sum of each currency, under the name of `all`."""
    found: dict[ImpactKey, Impact] = {}
    for (_, _, currency), one in sums.items():
        key = ("all", "", currency)
        found[key] = found.get(key, Impact()).plus(*one)
    return found


def impact_records(sums: Mapping[ImpactKey, Impact]) -> list[dict[str, Any]]:
    """The rows as others script against them, the largest difference first."""
    return [impact_record(key, one) for key, one in sorted(sums.items(), key=_order)]


def _order(item: tuple[ImpactKey, Impact]) -> tuple[int, str, str, str]:
    (tenant, model, currency), sums = item
    return (-abs(sums.after - sums.before), tenant or "", model or "", currency)


def impact_record(key: ImpactKey, one: Impact) -> dict[str, Any]:
    """A row: amounts are decimal strings."""
    tenant, model, currency = key
    return {
        "tenant": tenant,
        "model": model,
        "charges": one.charges,
        "changed": one.changed,
        "before": format_money(one.before),
        "after": format_money(one.after),
        "difference": format_money(one.after - one.before),
        "currency": currency,
        "unpriced_before": one.unpriced_before,
        "unpriced_after": one.unpriced_after,
    }


def replaced_models(book: Book, instead: Sequence[str]) -> dict[Model, Model]:
    """What `MODEL=OTHER` says.

    Args:
        book: that prices are taken from.
        instead: the texts.

    Raises:
        ConfigurationError: for a text that names no two models, and for a model to price by that the book does not
            know.
    """
    found: dict[Model, Model] = {}
    for text in instead:
        model, equals, other = text.partition("=")
        if not (model and equals and other):
            raise ConfigurationError(
                "--instead names no two models", value=text, remedy="write gpt-4o=gpt-4o-mini"
            )
        found.update(instead_of(book, [_named(book, model)], other))
    return found


def instead_of(book: Book, models: Iterable[Model], other: str) -> dict[Model, Model]:
    """Models, and the one whose prices are taken for them.

    Args:
        book: that prices are taken from.
        models: providers and names, as calls have them.
        other: how somebody names the other one.

    Raises:
        ConfigurationError: if the book does not know it.
    """
    by = _named(book, other)
    found: dict[Model, Model] = {}
    for of in models:
        _check_priced(book, by[0] or of[0], by[1])
        found[of] = by
    if not found:
        _check_priced(book, *by)
    return found


def _check_priced(book: Book, provider: str | None, model: str) -> None:
    owners = list(book.names.providers) if provider is None else [provider]
    if any(resolved(book, owner, model) is not None for owner in owners):
        return
    near = ", ".join(book.suggest(provider, model)) or "no similar name"
    raise ConfigurationError(
        "the price book does not know this model",
        value=model,
        where="--instead",
        remedy=f"write MODEL or PROVIDER/MODEL; similar names: {near}",
    )


def _named(book: Book, text: str) -> Model:
    """PROVIDER/MODEL, or a model of any provider: names of models may have a slash of their own."""
    provider, slash, model = text.partition("/")
    if slash and provider.casefold() in book.names.providers:
        return provider, model
    return None, text


def share_in(text: str) -> int:
    """A share that somebody wrote, in 1e-18.

    Args:
        text: a decimal from 0 to 1.

    Raises:
        ConfigurationError: if it is none.
    """
    share = money_in(text)
    if share is None or not 0 <= share <= ATTO:
        raise ConfigurationError("--cached is no share", value=text, remedy="write 0.8, or 0 to 1")
    return share


def more_cached(share: int) -> Callable[[Usage], Usage]:
    """What turns a usage into one in which a share of the plain input was read from a cache instead.

    What is written to caches stays as it was: where a provider bills writes, those that such reads need are not in it.

    Args:
        share: in 1e-18, rounded half to even to whole tokens of each call.
    """

    def changed(usage: Usage) -> Usage:
        uncached = usage.leaves.get("input", 0)
        moved = divide_half_even(uncached * share, ATTO)
        if not moved:
            return usage
        leaves = dict(usage.leaves)
        leaves["cache_read"] = leaves.get("cache_read", 0) + moved
        if moved == uncached:
            del leaves["input"]
        else:
            leaves["input"] = uncached - moved
        return usage._replace(leaves=leaves)

    return changed
