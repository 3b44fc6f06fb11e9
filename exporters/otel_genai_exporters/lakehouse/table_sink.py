"""What sinks of the lakehouse's formats have in common: the table is read anew each time, and the mark is its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import DaySum, Mark
from otel_genai_exporters.lakehouse.arrow_rows import ENTRIES_AT_ONCE, sums_of, table_of

__all__ = ["TableSink"]


class TableSink(ABC):
    """Entries in a table of one format."""

    entries_at_once = ENTRIES_AT_ONCE

    def mark(self) -> Mark | None:
        with self._reported():
            return self._mark_of(self._table())

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        self.load(ledger_id, entries)

    def load(self, ledger_id: str, entries: Iterable[Entry]) -> None:
        with self._reported():
            table = self._table()
            known = self._mark_of(table)
            rows = table_of(entries, known.seq if known else 0)
            if rows.num_rows:
                table = self._made(ledger_id) if table is None else table
                self._add(table, rows, known, Mark(ledger_id, rows["seq"][-1].as_py()))

    def days(self, upto_seq: int) -> list[DaySum]:
        return self._sums(upto_seq, by_tenant=False)

    def tenant_days(self, upto_seq: int) -> list[DaySum]:
        return self._sums(upto_seq, by_tenant=True)

    def _sums(self, upto_seq: int, *, by_tenant: bool) -> list[DaySum]:
        with self._reported():
            table = self._table()
            if table is None:
                return []
            return sums_of(self._summed(table, upto_seq), by_tenant=by_tenant)

    @abstractmethod
    def _reported(self) -> AbstractContextManager[None]:
        """In it, whatever the format's library raises is a GenAICostError."""

    @abstractmethod
    def _table(self) -> Any:
        """The table as it is now; None if there is none."""

    @abstractmethod
    def _mark_of(self, table: Any) -> Mark | None:
        """How far a table is, which may be None."""

    @abstractmethod
    def _made(self, ledger_id: str) -> Any:
        """The table, which is made if it is not there."""

    @abstractmethod
    def _add(self, table: Any, rows: Any, known: Mark | None, mark: Mark) -> None:
        """Add rows, and the mark after the last, in one commit; `known` is the mark that was found."""

    @abstractmethod
    def _summed(self, table: Any, upto_seq: int) -> Iterable[Any]:
        """Batches of the rows up to an entry, with the columns of `SUMMED`."""
