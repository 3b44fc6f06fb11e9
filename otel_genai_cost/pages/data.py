"""What pages are made of, as one request sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import NOT_REGISTERED, Directory
from otel_genai_cost.pages.conditions import Conditions, no_conditions
from otel_genai_cost.pages.figures import Figures, Reading, Standing
from otel_genai_cost.pages.kept_parts import KeptParts
from otel_genai_cost.pages.remembered import Remembered
from otel_genai_cost.pages.trace_link import TraceLink
from otel_genai_cost.pages.troubles import Troubles
from otel_genai_cost.pages.what_ifs import Runs
from otel_genai_cost.pricing.book import NO_BOOK, Book
from otel_genai_cost.reports.action_parts import Parts
from otel_genai_cost.reports.caching import Caching, ModelKey, caching
from otel_genai_cost.reports.endings import BookOf
from otel_genai_cost.reports.hours import Hourly
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import Group, atto_of
from otel_genai_cost.reports.troubled import Readings
from otel_genai_cost.reports.unit_costs import Tokens

__all__ = ["Data", "Source"]

_EPOCH: Final = datetime.fromtimestamp(0, timezone.utc).replace(tzinfo=None)
_RUNS: Final = Runs()


_TROUBLES: Final = Troubles()
"""Of the ledger that was asked last."""

_CONDITIONS: Final = no_conditions()


class Data(NamedTuple):
    """What views read.

    Attributes:
        figures: the entries, the same for every query of a request.
        standing: how far they are.
        folder: the ledger's.
        journals: what feeds it.
        book_of: price books by digest.
        now_us: the present, unix microseconds.
        sums: reports that were made before.
        kept: what actions come to, of those that were asked for before.
        book: gives the price book as it is now.
        traces: where traces are seen; None where nobody said.
        what_ifs: questions that take longer than a page.
        troubles: what became of calls.
        conditions: how the metering itself is.
    """

    figures: Reading
    standing: Standing
    folder: Path
    journals: tuple[Path, ...]
    book_of: BookOf
    now_us: int
    sums: Remembered
    kept: KeptParts
    book: Callable[[], Book] = lambda: NO_BOOK
    traces: TraceLink | None = None
    what_ifs: Runs = _RUNS
    troubles: Troubles = _TROUBLES
    conditions: Conditions = _CONDITIONS

    def report(
        self,
        by: Sequence[str],
        selection: Selection,
        *,
        by_cost: bool = False,
        among: Collection[str | None] | None = None,
    ) -> list[Group]:
        """As `reports.tables.report` of the figures, in the time that what is new takes where it was asked before.

        Args:
            by: names of dimensions.
            selection: which calls.
            by_cost: sort by cost, highest first; else by the groups.
            among: only groups whose last dimension, which is no time, is one of these; None for all.

        Raises:
            ConfigurationError: for a dimension there is none of.
        """
        return self.sums.report(self.figures, by, selection, by_cost=by_cost, among=among)

    def tokens(self, by: Sequence[str], selection: Selection) -> Tokens:
        """As `reports.unit_costs.tokens_by` of the figures, likewise.

        Args:
            by: names of dimensions.
            selection: which calls.

        Raises:
            ConfigurationError: for a dimension there is none of.
        """
        return self.sums.tokens(self.figures, by, selection)

    def caching(self, ledger: Ledger, selection: Selection) -> Mapping[ModelKey, Caching]:
        """As `reports.caching.caching` of the figures, likewise.

        Args:
            ledger: what knows the net of calls that were corrected.
            selection: which calls.
        """
        known = self.sums.caches(self.figures, selection)
        return caching(self.figures, ledger, selection, known)

    def parts(self, by: Sequence[str], selection: Selection, first: int) -> Parts:
        """As `reports.action_parts.action_parts` of the figures, likewise.

        Args:
            by: names of dimensions.
            selection: which calls.
            first: the number of the query's first parameter.

        Raises:
            ConfigurationError: for a dimension there is none of.
        """
        return self.kept.parts(self.figures, by, selection, first)

    def hourly(self, selection: Selection, *, by_tenant: bool) -> Iterator[Hourly]:
        """As `reports.hours.hourly` of the figures, likewise.

        Args:
            selection: which calls, on the clock of UTC.
            by_tenant: whether tenants are kept apart.
        """
        by = ("tenant", "hour") if by_tenant else ("hour",)
        for key, one in self.sums.sums(self.figures, by, selection).items():
            began = key[-2]
            if one.amount and isinstance(began, datetime):
                tenant = str(key[0]) if by_tenant and key[0] is not None else None
                hour = (began - _EPOCH) // timedelta(hours=1)
                yield Hourly(tenant, str(key[-1]), hour, atto_of(one.amount))

    def readings(self, ledger: Ledger) -> Readings:
        """What became of calls, as `ledger.observations.troubled` has it.

        Args:
            ledger: it.

        Raises:
            LedgerError: if an observation is damaged.
        """
        return self.troubles.readings(ledger, self.ledger)

    def ledger(self) -> Ledger:
        """The ledger, to read; whoever opens it closes it.

        Raises:
            LedgerError: if there is none, or it cannot be read.
        """
        return Ledger(self.folder / LEDGER_FILE, readonly=True)


class Source(NamedTuple):
    """Where every request has its data from.

    Attributes:
        figures: the entries.
        folder: the ledger's.
        journals: what feeds it.
        book_of: price books by digest.
        directory: gives the tenants' registry as it is now.
        clock_us: the time, unix microseconds.
        tz: whose days and hours are meant where nobody says.
        book: gives the price book as it is now.
        traces: where traces are seen; None where nobody said.
        what_ifs: questions that take longer than a page.
        troubles: what became of calls.
        conditions: how the metering itself is.
    """

    figures: Figures
    folder: Path
    journals: tuple[Path, ...]
    book_of: BookOf
    clock_us: Callable[[], int]
    directory: Callable[[], Directory] = lambda: NOT_REGISTERED
    tz: str = "UTC"
    book: Callable[[], Book] = lambda: NO_BOOK
    traces: TraceLink | None = None
    what_ifs: Runs = _RUNS
    troubles: Troubles = _TROUBLES
    conditions: Conditions = _CONDITIONS

    def data(self, reading: Reading) -> Data:
        """What one request sees.

        Args:
            reading: of the figures, its own.
        """
        return Data(
            figures=reading,
            standing=self.figures.standing,
            folder=self.folder,
            journals=self.journals,
            book_of=self.book_of,
            now_us=self.clock_us(),
            book=self.book,
            traces=self.traces,
            what_ifs=self.what_ifs,
            troubles=self.troubles,
            sums=self.figures.sums,
            kept=self.figures.parts,
            conditions=self.conditions,
        )
