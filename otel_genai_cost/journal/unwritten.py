"""Records that no folder takes: the latest wait in memory, and that others are lost is to be proved."""

from __future__ import annotations

from collections import deque
from typing import Final

from otel_genai_cost.journal.open_segment import OpenSegment

__all__ = ["MEMORY_LIMIT", "Unwritten"]

MEMORY_LIMIT: Final = 10_000
"""Records kept while no folder can be written."""


class Unwritten:
    """At most MEMORY_LIMIT records, oldest first. Its owner has a lock.

    Attributes:
        waiting: The records.
        dropped: How many others are lost.
    """

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.dropped = self._unproved = 0

    def keep(self, record: bytes) -> None:
        """Let a record wait; the oldest make room."""
        if len(self.waiting) >= MEMORY_LIMIT:
            self.waiting.popleft()
            self._drop(1)
        self.waiting.append(record)

    def is_written(self, record: bytes) -> None:
        """The oldest waits no more, unless it made room while it was written."""
        if self.waiting and self.waiting[0] is record:
            self.waiting.popleft()

    def drop_all(self) -> int:
        """Give up what waits; how many records that is."""
        count = len(self.waiting)
        self._drop(count)
        self.waiting.clear()
        return count

    def prove(self, segment: OpenSegment) -> None:
        """The numbers of records that are lost are missing from this segment."""
        segment.skip(self._unproved)
        self._unproved = 0

    def _drop(self, count: int) -> None:
        self.dropped += count
        self._unproved += count
