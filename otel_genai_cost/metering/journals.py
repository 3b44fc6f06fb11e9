"""The journal that a process writes by its settings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.registry import register
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.config import Settings
from otel_genai_cost.pricing.book import Book

__all__ = ["journal_by", "keep_book"]

_logger = logging.getLogger("otel_genai_cost")


def journal_by(
    settings: Settings, book: Callable[[], Book], begun: Callable[[], object] = lambda: None
) -> Journal:
    """The journal; nothing is written yet.

    Args:
        settings: Say where, for whom to read, how much, and how safely.
        book: Gives the prices in use, which are kept beside the journal.
        begun: Called when a segment is begun.
    """
    return Journal(
        settings.journal_folders,
        prepare=_prepares(settings, book, begun),
        files=OsFiles(group=settings.journal_access == "group"),
        bound=Bound(
            limit_bytes=settings.journal_limit_mib << 20,
            when_full=settings.journal_full,
            timeout_s=settings.journal_block_s,
        ),
        fsync=settings.fsync,
    )


def keep_book(journal: Journal, book: Book) -> None:
    """Keep another book beside a journal, before anything is priced by it."""
    if journal.folder is not None:
        store_book(journal.folder, book.digest, book.lock)


def _prepares(
    settings: Settings, book: Callable[[], Book], begun: Callable[[], object]
) -> Callable[[Path], None]:
    """Note where the journal is, for a ledger under another user id, and keep the book beside it: it is sent before the
    lines that name it, and they are sent without it only if it cannot be kept."""

    def prepare(folder: Path) -> None:
        meant, configured = settings.journal_folders[0], settings.configured_journal is not None
        try:
            register(settings.registry, meant, folder, configured=configured)
        except OSError as error:
            _logger.debug("noting the journal in %s: %r", settings.registry, error)
        try:
            prices = book()
            if prices.digest:
                store_book(folder, prices.digest, prices.lock)
        finally:
            begun()

    return prepare
