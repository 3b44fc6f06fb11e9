"""The prices that a process uses by its settings, and what follows them when their files change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from otel_genai_cost.errors import GenAICostError, guarded
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.config import Settings
from otel_genai_cost.metering.journals import keep_book
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.watch import Watched, Watcher, raise_at_once

__all__ = ["followed_prices", "watched_prices"]


def watched_prices(
    settings: Settings, instead: Callable[[GenAICostError], Book] = raise_at_once
) -> Watched[Book]:
    """The book with its overlays.

    Args:
        settings: Name them.
        instead: Is called with what is wrong with them, and gives a book for the time being or raises.

    Raises:
        PriceBookError: if the book or an overlay cannot be used, and `instead` is not given.
        ConfigurationError: likewise, for one that is not there.
    """
    return Watched("the price book", lambda: _load(settings), _files(settings), instead)


def followed_prices(
    settings: Settings, prices: Watched[Book], journal: Journal, use: Callable[[Book], object]
) -> Watcher | None:
    """What looks for changed price files from a thread, once it is started; None if there are none to look for: the
    wheel's never change.

    Args:
        settings: Name the files, and say how often to look.
        prices: As they are now.
        journal: Beside which a new book is kept, before anything is priced by it.
        use: Is given the new book.
    """
    if not (settings.reload_every_s and _files(settings)):
        return None

    @guarded("activation.reload", default=None)
    def look() -> None:
        if prices.refresh(lambda book: keep_book(journal, book)):
            use(prices.value)

    return Watcher(look, settings.reload_every_s)


def _load(settings: Settings) -> Book:
    """Without any file, what lays one over another is not loaded."""
    if not _files(settings):
        return load_book()
    from otel_genai_cost.pricing.layers import load_layers

    return load_layers(settings.book, settings.overlays)


def _files(settings: Settings) -> list[Path]:
    return [path for path in (settings.book, *settings.overlays) if path is not None]
