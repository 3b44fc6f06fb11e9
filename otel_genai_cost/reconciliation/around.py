"""Our calls around a midnight, by what a bill calls them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta, tzinfo
from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.pricing.instants import midnight_us
from otel_genai_cost.reconciliation.bill import Cell
from otel_genai_cost.reconciliation.names import Words
from otel_genai_cost.reconciliation.ours import SLOT_US, condition_of, usage_column
from otel_genai_cost.reconciliation.timing import Edge
from otel_genai_cost.reports.selection import Selection

__all__ = ["Around"]

_SQL: Final = (Path(__file__).parent / "sql" / "around.sql").read_text(encoding="utf-8")

_Sums = dict[tuple[str | None, str | None, str, str | None], dict[str, int]]
"""By model, leaf, currency and key: of each charge what it used."""


class Around:
    """Calls of half an hour, asked for once.

    Args:
        store: what holds the entries.
        providers: as booked; none are all.
        zone: whose midnights.
        words: of the bill.
        key: the column that stands for the bill's keys; None for none.
        by_request: whether the bill counts requests alone.
    """

    def __init__(
        self,
        store: Queryable,
        providers: Sequence[str],
        zone: tzinfo,
        words: Words,
        key: str | None,
        by_request: bool = False,
    ) -> None:
        self._store, self._providers, self._zone = store, providers, zone
        self._words, self._key = words, key
        self._usage = usage_column(by_request)
        self._known: dict[tuple[str, Edge], _Sums] = {}

    def __call__(self, cell: Cell, edge: Edge) -> Sequence[int]:
        """The quantities of our calls of a cell in the first or last half hour of its day, the nearest to midnight
        first."""
        at = (cell.day, edge)
        if at not in self._known:
            self._known[at] = self._read(cell.day, edge)
        key = cell.key if self._key is not None else None
        calls = self._known[at].get((cell.model, cell.token_type, cell.currency, key), {})
        found = [many for many in calls.values() if many]
        return found if edge == "early" else found[::-1]

    def _read(self, day: str, edge: Edge) -> _Sums:
        first = date.fromisoformat(day)
        if edge == "early":
            from_us = midnight_us(first, self._zone)
        else:
            from_us = midnight_us(first + timedelta(days=1), self._zone) - SLOT_US
        selection = Selection(from_us=from_us, to_us=from_us + SLOT_US)
        condition, parameters = condition_of(selection, self._providers)
        column = "NULL" if self._key is None else f'"{self._key}"'
        sums: _Sums = {}
        sql = _SQL.format(key=column, usage=self._usage, condition=condition)
        for charge_id, name, currency, key, usage in self._store.query(sql, parameters).rows:
            model = self._words.model(name)
            for leaf, many in json.loads(usage).items():
                place = (model, self._words.leaf(model, leaf), currency, key)
                calls = sums.setdefault(place, {})
                calls[charge_id] = calls.get(charge_id, 0) + many
        return sums
