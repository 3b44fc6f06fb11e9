"""How far behind the books are: for how long something in the journals has been waiting to be booked.

A gate whose books are behind doesn't know of calls that were made without a hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.receiving import with_senders
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["Lag"]

_EVERY_S: Final = 5.0
_SEEN_MAX: Final = 64

_Seen = list[tuple[int, int]]
"""Lengths of a segment, and when it was that long (unix microseconds), oldest first."""


class Lag:
    """Looks at most every five seconds.

    Args:
        journals: folders of segments.
        clock_us: the time, unix microseconds.
    """

    def __init__(self, journals: Sequence[Path], clock_us: Callable[[], int]) -> None:
        self._journals, self._clock_us = tuple(journals), clock_us
        self._unread: dict[str, _Seen] = {}
        self._next_s, self._looked_us = 0.0, 0
        self.now_us = 0

    def look(self, ledger: Ledger) -> None:
        """Find out how far behind a ledger is.

        Args:
            ledger: that the journals are booked in.
        """
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _EVERY_S
        now_us = self._clock_us()
        since = [self._unread_since(ledger, path, now_us) for path in self._segments()]
        unsettled_us = ledger.observations.ripe_since()
        self._looked_us = now_us
        waiting = [us for us in (*since, unsettled_us) if us is not None]
        self.now_us = max(0, now_us - min(waiting, default=now_us))

    def _segments(self) -> list[Path]:
        found: list[Path] = []
        for folder in with_senders(self._journals):
            try:
                found += segments(folder)
            except OSError:  # another user's: its shipper reads it
                continue
        return found

    def _unread_since(self, ledger: Ledger, path: Path, now_us: int) -> int | None:
        """Since when a segment has been longer than what was read of it, also where reading goes on but more comes;
        None if it is not."""
        cursor, name = ledger.cursors.of(str(path)), str(path)
        try:
            found = path.stat()
        except OSError:
            return None
        if found.st_size <= cursor.byte_offset or cursor.finished:
            self._unread.pop(name, None)
            return None
        seen = [one for one in self._unread.get(name, ()) if one[0] > cursor.byte_offset]
        if not seen or seen[-1][0] < found.st_size:
            # by the file's clock, which may be another machine's, no sooner than it was looked at before
            written_us = max(self._looked_us, found.st_mtime_ns // 1000)
            seen.append((found.st_size, min(now_us, written_us)))
        if len(seen) > _SEEN_MAX:
            del seen[1::2]
        self._unread[name] = seen
        return seen[0][1]
