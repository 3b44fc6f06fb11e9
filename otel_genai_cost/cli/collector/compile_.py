"""`collector compile`: prices for a collector that can run nothing of ours."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.output import note, say
from otel_genai_cost.cli.prices.rows import BookOption, now_us
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.tariff import FOREVER_US
from otel_genai_cost.reports.asking import instant

if TYPE_CHECKING:
    from otel_genai_cost.collector.expressible import Prices

__all__ = ["register"]

_NEVER: Final = (
    "never priced here: batches and service tiers other than standard, regions with prices of their own, images, video"
    " and searches, instrumentations that count in words of their own, spans above calls, contracts of tenants",
    "what is not priced has genai_cost.status=unpriced (or partial) and its genai_cost.reason; not_compiled is what"
    " `genai-cost collector serve` can price",
)
"""What holds for any book."""


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(name="compile")(_compile)


def _compile(
    book: BookOption = None,
    at: Annotated[str, typer.Option(help="The prices in force then, RFC 3339; default: now.")] = "",
    provider: Annotated[
        list[str] | None, typer.Option(help="Only this provider's models; may be repeated.")
    ] = None,
    trust: Annotated[
        bool, typer.Option(help="Keep the costs that spans bring along, if they name their book.")
    ] = False,
    strict: Annotated[
        bool, typer.Option(help="End with exit code 1 if a model is left out.")
    ] = False,
) -> None:
    """Print prices as a configuration of the transform processor, for a collector that can run nothing of ours. What
    cannot be said there is left out, listed on stderr, and marked on the spans."""
    from otel_genai_cost.collector.compile import compiled
    from otel_genai_cost.collector.expressible import OMISSIONS, prices_of

    known = book_of(book)
    prices = prices_of(known, instant("--at", at) or now_us(), _ids(known, provider or []))
    if len(prices.left_out) == len(prices.models):
        raise ConfigurationError(
            "no model of the price book can be compiled", remedy="see genai-cost prices list --at"
        )
    for name, why in prices.left_out:
        note(f"left out: {name}: {OMISSIONS[why]}")
    for line in _summary(prices):
        note(line)
        say(f"# {line}")
    sys.stdout.write(compiled(prices, trusts=trust))
    if strict and prices.left_out:
        raise typer.Exit(1)


def _ids(book: Book, providers: list[str]) -> frozenset[str]:
    """The book's ids of providers."""
    found = {name: book.names.providers.get(name.casefold()) for name in providers}
    for name, known in found.items():
        if known is None:
            near = ", ".join(book.suggest(name, None))
            raise ConfigurationError("unknown provider", value=name, remedy=f"similar: {near}")
    return frozenset(known for known in found.values() if known is not None)


def _summary(prices: Prices) -> Iterator[str]:
    """What was compiled, until when it holds, and what it leaves out."""
    from otel_genai_cost.collector.expressible import OMISSIONS, Omission

    left_out = prices.left_out
    names = len(prices.models) - len(left_out)
    yield f"{names:,} names of models, at the prices of {rfc3339(prices.at_us)}; book {prices.book}"
    if prices.until_us == FOREVER_US:
        yield "no end of any of them is known: compile again with each price book"
    else:
        until = rfc3339(prices.until_us)
        yield f"all of them hold until {until}: compile again; calls after a price's end are unpriced"
    counts: Counter[Omission] = Counter(why for _, why in left_out)
    for why, count in counts.most_common():
        yield f"left out: {count:,} names of models: {OMISSIONS[why]}"
    yield from _NEVER
