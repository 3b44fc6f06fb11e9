"""The calls behind a cell: the charges that may be looked at to see what a difference is of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.reconciliation.bill import Cell
from otel_genai_cost.reconciliation.names import Words
from otel_genai_cost.reconciliation.ours import condition_of, selection_of_days, usage_column

__all__ = ["Calls"]

_SQL: Final = (Path(__file__).parent / "sql" / "calls.sql").read_text(encoding="utf-8")

_Place = tuple[str | None, str | None, str, str | None]


class Calls:
    """Charges by cell, read day by day.

    Args:
        store: what holds the entries.
        providers: as booked; none are all.
        zone: whose days.
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
        self._day, self._found = "", dict[_Place, dict[str, None]]()

    def of(self, cell: Cell) -> list[str]:
        """The ids of the charges of a cell, in order of time; of all keys and tiers where the ledger does not tell them
        apart.

        Args:
            cell: of a bill or of the ledger.
        """
        if cell.day != self._day:
            self._day, self._found = cell.day, self._read(cell.day)
        key = cell.key if self._key is not None else None
        return list(self._found.get((cell.model, cell.token_type, cell.currency, key), ()))

    def _read(self, day: str) -> dict[_Place, dict[str, None]]:
        condition, parameters = condition_of(
            selection_of_days((day, day), self._zone), self._providers
        )
        column = "NULL" if self._key is None else f'"{self._key}"'
        found: dict[_Place, dict[str, None]] = {}
        sql = _SQL.format(key=column, usage=self._usage, condition=condition)
        for charge_id, name, currency, key, usage in self._store.query(sql, parameters).rows:
            model = self._words.model(name)
            for leaf in json.loads(usage) or ("requests",):
                place = (model, self._words.leaf(model, leaf), currency, key)
                found.setdefault(place, {})[charge_id] = None
        return found
