"""Our calls as a bill would name them, and those behind a cell: what may be looked at to see what a difference is
of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.reconciliation.bill import Cell
from otel_genai_cost.reconciliation.names import Words
from otel_genai_cost.reconciliation.ours import condition_of, selection_of_days, usage_column
from otel_genai_cost.reports.selection import Selection

__all__ = ["Calls", "InWords", "Place"]

_SQL: Final = (Path(__file__).parent / "sql" / "calls.sql").read_text(encoding="utf-8")

Place = tuple[str | None, str | None, str, str | None]
"""Model, leaf, currency and key."""


class InWords(NamedTuple):
    """What asks for our calls in the words of a bill.

    Attributes:
        store: what holds the entries.
        providers: as booked; none are all.
        zone: whose days the bill counts.
        words: of the bill.
        key: the column that stands for the bill's keys; None for none.
        by_request: whether the bill counts requests alone.
    """

    store: Queryable
    providers: Sequence[str]
    zone: tzinfo
    words: Words
    key: str | None
    by_request: bool

    def place_of(self, cell: Cell) -> Place:
        """Where the calls of a cell are; those of all keys and tiers where the ledger does not tell them apart."""
        key = cell.key if self.key is not None else None
        return cell.model, cell.token_type, cell.currency, key

    def calls(self, selection: Selection) -> Iterator[tuple[Place, str, int]]:
        """Place, charge and quantity of what entries used, in order of time; one that used nothing is of requests, of
        which it has none.

        Args:
            selection: of which time.
        """
        condition, parameters = condition_of(selection, self.providers)
        column = "NULL" if self.key is None else f'"{self.key}"'
        usage = usage_column(self.by_request)
        sql = _SQL.format(key=column, usage=usage, condition=condition)
        for charge_id, name, currency, key, used in self.store.query(sql, parameters).rows:
            model = self.words.model(name)
            for leaf, many in (json.loads(used) or {"requests": 0}).items():
                yield (model, self.words.leaf(model, leaf), currency, key), charge_id, many


class Calls:
    """Charges by cell, read day by day.

    Args:
        in_words: asks for them.
    """

    def __init__(self, in_words: InWords) -> None:
        self._in_words = in_words
        self._day, self._found = "", dict[Place, dict[str, None]]()

    def of(self, cell: Cell) -> list[str]:
        """The ids of the charges of a cell, in order of time.

        Args:
            cell: of a bill or of the ledger.
        """
        if cell.day != self._day:
            self._day, self._found = cell.day, self._read(cell.day)
        return list(self._found.get(self._in_words.place_of(cell), ()))

    def _read(self, day: str) -> dict[Place, dict[str, None]]:
        found: dict[Place, dict[str, None]] = {}
        selection = selection_of_days((day, day), self._in_words.zone)
        for place, charge_id, _ in self._in_words.calls(selection):
            found.setdefault(place, {})[charge_id] = None
        return found
