"""How many observations ended when: what was counted is kept, so that a question looks at what is new and at the hours
that it cuts."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["Counted"]

_BLOCK: Final = 65_536
_HOUR_US: Final = 3_600_000_000


class Counted:
    """For any thread. Observations are only ever added, and when their calls ended does not change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ledger_id = ""
        self._until = 0
        self._blocks: dict[int, Counter[int]] = {}
        """Of so many rows each: how many ended in each hour."""

    def between(self, ledger: Ledger, from_us: int, to_us: int) -> tuple[int, int]:
        """As `ledger.observations.count_between`, whatever the number of observations.

        Args:
            ledger: the same each time, or another.
            from_us: when the time begins, unix microseconds, from zero on.
            to_us: the first instant that no longer counts.
        """
        with self._lock, ledger.snapshot():
            self._look(ledger)
            whole = range(-(-from_us // _HOUR_US), to_us // _HOUR_US)
            ended = sum(
                count
                for hours in self._blocks.values()
                for hour, count in hours.items()
                if hour in whole
            )
            ended += sum(
                self._among(ledger, hour, from_us, to_us)
                for hour in {from_us // _HOUR_US, to_us // _HOUR_US}
                if hour not in whole
            )
            return ended, ended - ledger.observations.unsettled_between(from_us, to_us)

    def _among(self, ledger: Ledger, hour: int, from_us: int, to_us: int) -> int:
        """How many of an hour that is not meant as a whole."""
        ends = max(from_us, hour * _HOUR_US), min(to_us, (hour + 1) * _HOUR_US)
        return sum(
            ledger.observations.ended_among(
                block * _BLOCK, min((block + 1) * _BLOCK - 1, self._until), *ends
            )
            for block, hours in self._blocks.items()
            if hour in hours and ends[0] < ends[1]
        )

    def _look(self, ledger: Ledger) -> None:
        found, last = ledger.observations, ledger.observations.last_row()
        if ledger.id != self._ledger_id or last < self._until:
            self._ledger_id = ledger.id
            self._until = 0
            self._blocks = {}
        if last > self._until:
            for block, hour, count in found.ended_by(self._until, last, _BLOCK, _HOUR_US):
                self._blocks.setdefault(block, Counter())[hour] += count
            self._until = last
