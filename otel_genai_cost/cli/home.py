"""Where a command finds the ledger, and bringing it up to date before it is read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from otel_genai_cost.errors import LedgerError, LedgerLockedError, MissingExtraError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship
from otel_genai_cost.ledger.rerate import Books
from otel_genai_cost.ledger.sink import Queryable, Sink, load_sink
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.book import Book

__all__ = ["Home", "HomeOption", "JsonOption", "tell"]

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--ledger", help="The ledger's folder; default: OTEL_GENAI_COST_LEDGER or the state folder."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON Lines, one object a line.")]


def tell(text: str) -> None:
    """Something a person should know, beside the output."""
    sys.stderr.write(text + "\n")


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
            self.ship(drain=True)
        except LedgerLockedError:
            tell("another process is shipping into this ledger; showing what it has booked so far")
        except (OSError, LedgerError) as error:
            if not (self.folder / LEDGER_FILE).exists():
                raise LedgerError(
                    f"no ledger in {self.folder}, and none can be made: {error}"
                ) from None
            tell(f"the ledger cannot be brought up to date ({error}); showing what is there")

    def ship(self, **options: Any) -> Shipped:
        """`ledger.daemon.ship` for this home."""
        sink = self.sink()
        return ship(self.folder, self.journals, sinks=[sink] if sink else [], **options)

    def ledger(self) -> Ledger:
        """The ledger, to read."""
        return Ledger(self.folder / LEDGER_FILE, readonly=True)

    def book_of(self) -> Callable[[str], Book | None]:
        """Price books by digest."""
        return Books(self.journals).get
