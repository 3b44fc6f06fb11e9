"""Our calls around a midnight, by what a bill calls them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from otel_genai_cost.pricing.instants import midnight_us
from otel_genai_cost.reconciliation.bill import Cell
from otel_genai_cost.reconciliation.calls import InWords, Place
from otel_genai_cost.reconciliation.ours import SLOT_US
from otel_genai_cost.reconciliation.timing import Edge
from otel_genai_cost.reports.selection import Selection

__all__ = ["Around"]

_Sums = dict[Place, dict[str, int]]
"""Of each charge what it used."""


class Around:
    """Calls of half an hour, asked for once.

    Args:
        in_words: asks for them.
    """

    def __init__(self, in_words: InWords) -> None:
        self._in_words = in_words
        self._known: dict[tuple[str, Edge], _Sums] = {}

    def __call__(self, cell: Cell, edge: Edge) -> Sequence[int]:
        """The quantities of our calls of a cell in the first or last half hour of its day, the nearest to midnight
        first."""
        at = (cell.day, edge)
        if at not in self._known:
            self._known[at] = self._read(cell.day, edge)
        calls = self._known[at].get(self._in_words.place_of(cell), {})
        found = [many for many in calls.values() if many]
        return found if edge == "early" else found[::-1]

    def _read(self, day: str, edge: Edge) -> _Sums:
        first, zone = date.fromisoformat(day), self._in_words.zone
        if edge == "early":
            from_us = midnight_us(first, zone)
        else:
            from_us = midnight_us(first + timedelta(days=1), zone) - SLOT_US
        sums: _Sums = {}
        selection = Selection(from_us=from_us, to_us=from_us + SLOT_US)
        for place, charge_id, many in self._in_words.calls(selection):
            calls = sums.setdefault(place, {})
            calls[charge_id] = calls.get(charge_id, 0) + many
        return sums
