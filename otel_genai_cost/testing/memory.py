"""A sink in memory: the first implementation of the port, for tests and notebooks."""

from __future__ import annotations

from collections.abc import Sequence

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark

__all__ = ["MemorySink"]


class MemorySink:
    """Keeps entries in a list, `entries`."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._mark: Mark | None = None

    def mark(self) -> Mark | None:
        return self._mark

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        done = self._mark.seq if self._mark else 0
        fresh = [entry for entry in entries if entry.seq > done]
        if fresh:
            self.entries += fresh
            self._mark = Mark(ledger_id, fresh[-1].seq)

    def reset(self) -> None:
        self.entries.clear()
        self._mark = None

    def close(self) -> None:
        """Nothing to close."""
