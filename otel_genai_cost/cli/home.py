"""Where a command finds the ledger, and bringing it up to date before it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from otel_genai_cost.cli.output import JsonOption, tell
from otel_genai_cost.errors import (
    ConfigurationError,
    GenAICostError,
    LedgerError,
    LedgerLockedError,
    MissingExtraError,
)
from otel_genai_cost.ledger.contract import Contracts
from otel_genai_cost.ledger.contract_file import load_contracts
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship
from otel_genai_cost.ledger.rerate import Books
from otel_genai_cost.ledger.sink import Queryable, Sink, load_sink
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.layers import load_layers
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.watch import Watched

__all__ = [
    "Home",
    "HomeOption",
    "JsonOption",
    "book_of",
    "instant",
    "tell",
    "watched_book",
    "watched_contracts",
]

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--ledger", help="The ledger's folder; default: OTEL_GENAI_COST_LEDGER or the state folder."
    ),
]


def instant(option: str, text: str) -> int | None:
    """Unix microseconds of an option's value, None if it was not given."""
    if not text:
        return None
    try:
        us = microseconds(text)
        rfc3339(us)  # the offset of the first or last day of the calendar may lead out of it
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{option} is no instant",
            value=text,
            remedy="write it with an offset, 2026-11-20T12:00:00Z",
        ) from None
    return us


def watched_book() -> Callable[[], Book]:
    """The configured book, read again when its files change. Raises ConfigurationError, PriceBookError."""
    settings = load_settings().settings
    paths = [path for path in (settings.book, *settings.overlays) if path is not None]
    return Watched(
        "the price book", lambda: load_layers(settings.book, settings.overlays), paths
    ).current


def book_of(path: Path | None) -> Book:
    """The book at `path`, else the configured one with its overlays. Raises ConfigurationError, PriceBookError."""
    return load_book(path) if path is not None else watched_book()()


def watched_contracts(path: Path | None = None) -> Callable[[], Contracts] | None:
    """The contracts of that file, else the configured ones; None if there are none."""
    found = path or load_settings().settings.contracts
    if found is None:
        return None
    return Watched("the contracts file", lambda: load_contracts(found), [found]).current


class Home(NamedTuple):
    """A ledger's folder and the journals that feed it."""

    folder: Path
    journals: tuple[Path, ...]

    @classmethod
    def at(cls, folder: Path | None) -> Home:
        """The folder given and the journal in it; else the configured one and the whole fall-back list."""
        if folder is not None:
            return cls(folder, (folder / "journal",))
        settings = load_settings().settings
        return cls(settings.home, settings.journal_folders)

    @property
    def duckdb(self) -> Path:
        """The store that reports read."""
        return self.folder / "charges.duckdb"

    def sink(self) -> Sink | None:
        """The DuckDB sink, None where duckdb is not installed."""
        try:
            return load_sink("duckdb", path=self.duckdb)
        except MissingExtraError:
            return None

    def store(self) -> Queryable:
        """The store that reports read. Raises MissingExtraError."""
        sink: Any = load_sink("duckdb", path=self.duckdb)
        return sink  # type: ignore[no-any-return]

    def fresh(self) -> None:
        """Ship what is in the journals, so that nobody has to start a service to see a number. If another process does,
        or nothing can be written, what is there is shown, and said so."""
        try:
            self.ship(drain=True, book=self._book_if_readable())
        except LedgerLockedError:
            tell("another process is shipping into this ledger; showing what it has booked so far")
        except (OSError, LedgerError, ConfigurationError) as error:
            what = " | ".join(str(error).splitlines())
            if not (self.folder / LEDGER_FILE).exists():
                raise LedgerError(
                    f"no ledger in {self.folder}, and none can be made: {what}"
                ) from None
            tell(f"the ledger cannot be brought up to date ({what}); showing what is there")

    def ship(
        self,
        *,
        book: Callable[[], Book] | None = None,
        contracts: Path | None = None,
        **options: Any,
    ) -> Shipped:
        """`ledger.daemon.ship` for this home, by the configured contracts unless others are given.

        Raises ConfigurationError or PriceBookError if those cannot be used: list prices would be wrong for somebody.
        """
        sink = self.sink()
        return ship(
            self.folder,
            self.journals,
            sinks=[sink] if sink else [],
            book=book,
            contracts=watched_contracts(contracts),
            **options,
        )

    @staticmethod
    def _book_if_readable() -> Callable[[], Book] | None:
        """A book only serves to rate again what is unpriced: nobody goes without a report for it."""
        try:
            return watched_book()
        except GenAICostError as error:
            tell(f"the price book cannot be used: {' | '.join(str(error).splitlines())}")
            return None

    def ledger(self) -> Ledger:
        """The ledger, to read."""
        return Ledger(self.folder / LEDGER_FILE, readonly=True)

    def book_of(self) -> Callable[[str], Book | None]:
        """Price books by digest."""
        return Books(self.journals).get
