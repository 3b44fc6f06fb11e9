"""Where a command finds the ledger, and bringing it up to date before it is read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import typer

from otel_genai_cost.cli.configured_sinks import SINKS_FILE, open_sink, read_sinks
from otel_genai_cost.cli.empty import why_empty
from otel_genai_cost.cli.ledger_settings import load_ledger_settings, usable_ledger_settings
from otel_genai_cost.cli.output import note
from otel_genai_cost.errors import (
    ConfigurationError,
    GenAICostError,
    LedgerError,
    LedgerLockedError,
    MissingExtraError,
)
from otel_genai_cost.gate.cached import open_backend
from otel_genai_cost.gate.mirror import GateSink
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.receiving import with_senders
from otel_genai_cost.journal.registry import Place, places
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.sink import Queryable, Sink, load_sink
from otel_genai_cost.ledger.storage.keeping import EVENTS
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.metering.prices import watched_prices
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.watch import Watched
from otel_genai_cost.reports.selection import Selection

__all__ = [
    "ContractsOption",
    "Home",
    "HomeOption",
    "book_of",
    "read_too",
    "watched_book",
    "watched_contracts",
]

_T = TypeVar("_T")

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--ledger", help="The ledger's folder; default: OTEL_GENAI_COST_LEDGER or the state folder."
    ),
]


ContractsOption = Annotated[
    Path | None,
    typer.Option(help="Customers' contracts; default: OTEL_GENAI_COST_CONTRACTS, else the last."),
]


def watched_book() -> Callable[[], Book]:
    """The configured book, read again when its files change.

    Raises:
        ConfigurationError: if a setting cannot be read.
        PriceBookError: if the book or an overlay cannot be used.
    """
    return watched_prices(load_settings().settings).current


def _has_calls(place: Place) -> bool:
    """Whether there is anything in it, or it may not be looked into."""
    try:
        return bool(segments(place.folder))
    except OSError:
        return True


def read_too(place: Place) -> str:
    """How to have a journal of another user read."""
    return (
        f"add it to OTEL_GENAI_COST_JOURNALS to read it, and let its applications write for a group that this "
        f"user is in: OTEL_GENAI_COST_JOURNAL_ACCESS=group (it was meant for {place.meant})"
    )


def book_of(path: Path | None) -> Book:
    """The book at `path`, else the configured one with its overlays.

    Raises:
        ConfigurationError: if a setting cannot be read.
        PriceBookError: if the book or an overlay cannot be used.
    """
    return load_book(path) if path is not None else watched_book()()


def watched_contracts(path: Path | None = None) -> Callable[[], Contracts] | None:
    """The contracts of that file, else the configured ones; None if there are none."""
    found = path or load_ledger_settings().contracts
    if found is None:
        return None
    return Watched("the contracts file", lambda: load_contracts(found), [found]).current


class Home(NamedTuple):
    """A ledger's folder and the journals that feed it."""

    folder: Path
    journals: tuple[Path, ...]
    elsewhere: tuple[Place, ...] = ()
    """Journals that were meant for this ledger and are other users': nobody has said that it may read them."""

    @classmethod
    def at(cls, folder: Path | None) -> Home:
        """The folder given and the journal in it; else the configured one, the whole fall-back list, and the further
        folders. What this user's processes registered for the same ledger is read as well, and of what others did the
        further folders. All as whole paths: a ledger knows its segments by theirs, wherever it is called from."""
        settings, further = load_settings().settings, load_ledger_settings().journals
        if folder is not None:
            home = cls(folder.absolute(), (folder.absolute() / "journal",))
            return home._with_registered(settings.registry, further, by_default=False)
        every = (*settings.journal_folders, *further)
        journals = dict.fromkeys(each.absolute() for each in every)
        by_default = settings.configured_journal is None
        return cls(settings.home.absolute(), tuple(journals))._with_registered(
            settings.registry, further, by_default=by_default
        )

    def _with_registered(
        self, registry: Path, further: Iterable[Path], *, by_default: bool
    ) -> Home:
        """`by_default`: nobody named a journal, so that those of others who named none are meant as well."""
        named = {folder.absolute() for folder in further}
        read = {folder.absolute() for folder in self.journals}
        meant = self.journals[0].absolute()
        found = [
            place
            for place in places(registry)
            if place.folder not in read
            and (place.meant == meant or (by_default and not place.configured))
        ]
        may = {place for place in found if place.owner == os.geteuid() or place.folder in named}
        own = [place.folder for place in found if place in may]
        others = [place for place in found if place not in may and _has_calls(place)]
        journals = with_senders((*self.journals, *own))
        return Home(self.folder, journals, tuple(dict.fromkeys(others)))

    def note_unread_journals(self) -> None:
        """Say which journals are not read, and what to do."""
        for place in self.elsewhere:
            note(f"not read: {place.folder}, a journal of user id {place.owner}; {read_too(place)}")

    @classmethod
    def to_read(cls, folder: Path | None) -> Home:
        """The home of a folder that must be there: who reads makes no ledger.

        Args:
            folder: None for the configured one.

        Raises:
            ConfigurationError: if there is no such folder.
        """
        if folder is not None and not folder.is_dir():
            raise ConfigurationError(
                "no such folder",
                value=str(folder),
                where="--ledger",
                remedy="name the folder that holds ledger.sqlite or journal/",
            )
        return cls.at(folder)

    @property
    def has_ledger(self) -> bool:
        """Whether anything was ever booked here."""
        return (self.folder / LEDGER_FILE).exists()

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

    @contextmanager
    def further_sinks(self) -> Generator[dict[str, Sink], None, None]:
        """The sinks beside DuckDB that the environment and `sinks.toml` name, until the end of the block; each has a
        place in the ledger's folder.

        Raises:
            ConfigurationError: for one that is not known, or not set up, or a setting that cannot be used.
            MissingExtraError: if a library of one is not installed.
        """
        settings = usable_ledger_settings()
        options = {"otlp_metrics": {"series_max": settings.metric_series}}
        with ExitStack() as opened:
            found: dict[str, Sink] = {}
            for name in dict.fromkeys(settings.sinks):
                own = options.get(name, {})
                found[name] = load_sink(name, path=self.folder / f"{name}.sqlite", **own)
                opened.callback(found[name].close)
            for name, sink in read_sinks(self.folder).items():
                if name in found:
                    raise ConfigurationError(
                        "two sinks of one name",
                        value=name,
                        where=str(self.folder / SINKS_FILE),
                        remedy="rename one there, or take it out of OTEL_GENAI_COST_SINKS",
                    )
                found[name] = open_sink(sink, self.folder)
                opened.callback(found[name].close)
            if settings.gate_store is not None:
                backend = open_backend(settings.gate_store)
                found["gate"] = GateSink(backend, lambda: time.time_ns() // 1000)
                opened.callback(found["gate"].close)
            yield found

    def store(self) -> Queryable:
        """The store that reports read.

        Raises:
            MissingExtraError: if duckdb is not installed.
        """
        sink: Any = load_sink("duckdb", path=self.duckdb)
        return sink  # type: ignore[no-any-return]

    def fresh(self) -> bool:
        """Ship what is in the journals, so that nobody has to start a service to see a number. If another process does,
        or nothing can be written, what is there is shown, and said so.

        Returns:
            Whether there is a ledger to read; without one, and without a segment to make it of, none is made.

        Raises:
            LedgerError: if there is none, and none can be made of the segments there are.
        """
        if not self.has_ledger and not any(map(segments, (self.folder / EVENTS, *self.journals))):
            return False
        self.note_unread_journals()
        try:
            done = self.ship(drain=True, book=self._book_if_readable())
            if done.unread:
                note(
                    f"{done.unread} segment(s) or folder(s) could not be read: their calls are missing here"
                )
        except LedgerLockedError:
            note("another process is shipping into this ledger; showing what it has booked so far")
        except (OSError, LedgerError, ConfigurationError) as error:
            what = " | ".join(str(error).splitlines())
            if not self.has_ledger:
                raise LedgerError(
                    f"no ledger in {self.folder}, and none can be made: {what}"
                ) from None
            note(f"the ledger cannot be brought up to date ({what}); showing what is there")
        return self.has_ledger

    def ask(self, question: Callable[[Ledger], Iterable[_T]]) -> Iterator[_T]:
        """What the ledger answers, brought up to date first; nothing where there is no ledger.

        Args:
            question: reads the ledger, which is closed after the last answer.

        Raises:
            LedgerError: as `fresh` does, when the first answer is asked for.
        """
        if self.fresh():
            with closing(self.ledger()) as opened:
                yield from question(opened)

    def note_why_empty(self, selection: Selection, kind: str = "") -> None:
        """Say, of an empty answer, what was looked at and what to do; `kind` is what else the calls had to be."""
        for line in why_empty(self.folder, self.journals, self.has_ledger, selection, kind):
            note(line)

    def ship(
        self,
        *,
        book: Callable[[], Book] | None = None,
        contracts: Path | None = None,
        sinks: Iterable[Sink] = (),
        **options: Any,
    ) -> Shipped:
        """Ingest and post, as `ledger.daemon.ship` does, for this home.

        Args:
            book: gives the price book for what is unpriced; None to leave that as it is.
            contracts: a file of contracts; None for the configured ones.
            sinks: fed beside the store that reports read.
            options: further arguments of `ledger.daemon.ship`.

        Raises:
            ConfigurationError: if the contracts cannot be used: list prices would be wrong for somebody.
            PriceBookError: if the book cannot be used.
        """
        store = self.sink()
        return ship(
            self.folder,
            self.journals,
            sinks=[*([store] if store else []), *sinks],
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
            note(f"the price book cannot be used: {' | '.join(str(error).splitlines())}")
            return None

    def ledger(self) -> Ledger:
        """The ledger, to read."""
        return Ledger(self.folder / LEDGER_FILE, readonly=True)

    def book_of(self) -> Callable[[str], Book | None]:
        """Price books by digest."""
        return Books(self.journals).get

    def has_book(self) -> Callable[[str], bool]:
        """Whether the price book of a digest is kept."""
        return Books(self.journals).has
