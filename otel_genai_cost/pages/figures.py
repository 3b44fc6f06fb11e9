"""The pages' own copy of the entries, which follows the ledger: no reader blocks a writer, nor a writer a reader."""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, cast

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.sink import Mark, Queryable, Rows, Sink, feed, load_sink
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pages.kept_parts import KeptParts
from otel_genai_cost.pages.remembered import Remembered
from otel_genai_cost.reports.tables import last_seq

__all__ = ["FILE", "Figures", "Reading", "Standing"]

FILE: Final = "pages.duckdb"
"""In the ledger's folder. It is a copy: without it, it is made again."""

_SHIPPED: Final = "charges.duckdb"
_FEW: Final = 20_000
"""Entries that are as well read from the ledger itself."""

_ENDS_SQL: Final = "SELECT epoch_us(min(occurred)), epoch_us(max(occurred)) FROM entries"


class Reading(Queryable, Protocol):
    """What is read in one go: the same entries for every query, until it is closed."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """The rows that a statement gives."""
        ...

    def position(self) -> tuple[str, int]:
        """Whose entries there are, and the last of them."""
        ...

    def keep(self, name: str, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Keep what a query gives, in memory, for the queries of this reading and of those that begin after it.

        Args:
            name: of the relation, which is `kept.NAME`; one that there is none of.
            sql: the query.
            parameters: of it.

        Returns:
            How many rows there are.
        """
        ...

    def kept(self) -> frozenset[str]:
        """The names of what was kept, as far as it is seen by this reading."""
        ...

    def cancel(self) -> None:
        """End the query that is running, and let no other begin; for any thread."""
        ...

    def progress(self) -> float:
        """What part of the query that is running is done, in percent; below zero where that is not known."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class _Kept(Sink, Protocol):
    def reading(self) -> Reading: ...

    def copy_from(self, path: Path, ledger_id: str) -> int: ...

    def forget(self, kept: Container[str]) -> None: ...


class Standing(NamedTuple):
    """How far the copy is.

    Attributes:
        ledger_id: whose entries it has; "" before there is a ledger.
        seq: the last of them.
        ledger_seq: the last that the ledger had when it was looked at.
        first_us: when the first call of them ended, unix microseconds; None before it.
        last_us: when the last one did.
    """

    ledger_id: str = ""
    seq: int = 0
    ledger_seq: int = 0
    first_us: int | None = None
    last_us: int | None = None


class Figures:
    """Entries that pages are made of.

    Args:
        folder: the ledger's.

    Attributes:
        standing: how far they are.
        sums: reports that were made of them.
        parts: what their actions come to.
        is_closing: whether nobody is to wait for anything new any more.

    Raises:
        MissingExtraError: without duckdb.
        GenAICostError: if another process holds the file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = _opened(folder / FILE)
        self.standing = Standing()
        self.sums = Remembered()
        self.parts = KeptParts()
        self.is_closing = False

    def reading(self) -> Reading:
        """Begin to read; whoever does closes it."""
        return self._kept.reading()

    def refresh(self) -> bool:
        """Bring in what the ledger has by now; whether anything is new. Of one thread.

        Raises:
            LedgerError: if the ledger cannot be read.
            GenAICostError: if the copy cannot be written.
        """
        self._kept.forget(self.parts.names)
        if not (self._folder / LEDGER_FILE).exists():
            return False
        with closing(Ledger(self._folder / LEDGER_FILE, readonly=True)) as ledger:
            mark = self._kept.mark()
            known = self.standing
            last = ledger.entries.last_seq()
            if (known.ledger_id, known.seq) == (ledger.id, last):
                return False
            if known.seq > last:
                # It was put back, and what it is given from now on is not what was known.
                self.sums, self.parts = Remembered(), KeptParts()
            self._fill(ledger, mark)
            feed(ledger, self._kept)
            self.standing = self._standing(ledger.id, last)
        return self.standing != known

    def _fill(self, ledger: Ledger, mark: Mark | None) -> None:
        """Take over what reports have, where that is most of it."""
        seq = mark.seq if mark is not None and mark.ledger_id == ledger.id else 0
        shipped = self._folder / _SHIPPED
        if ledger.entries.last_seq() - seq > _FEW and shipped.exists():
            self._kept.copy_from(shipped, ledger.id)

    def _standing(self, ledger_id: str, ledger_seq: int) -> Standing:
        with closing(self.reading()) as reading:
            ((first_us, last_us),) = reading.query(_ENDS_SQL).rows
            return Standing(ledger_id, last_seq(reading), ledger_seq, first_us, last_us)

    def close(self) -> None:
        """Let go of the file."""
        self._kept.close()


def _opened(path: Path) -> _Kept:
    sink: Any = load_sink("duckdb", path=path)
    return cast("_Kept", sink.kept_open())
