"""What people decide is a fact too: events in a segment of the ledger's own, before they take effect.

So is what cannot be worked out again: which thresholds were crossed depends on the order in which entries were booked,
and a ledger that is rebuilt books them in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.storage.keeping import EVENTS, refuse_standby

__all__ = ["Events", "decide", "waiting"]


def decide(home: Path, event: Mapping[str, Any]) -> None:
    """Write down for good what a person decided, so that a ledger that is rebuilt comes to the same.

    Args:
        home: the ledger's folder.
        event: the record.

    Raises:
        LedgerError: if it cannot be written, or the ledger only stands by: its next backup would undo it.
    """
    refuse_standby(home)
    events = Events(home)
    try:
        events.write([event])
    finally:
        events.close()


def waiting(home: Path, offsets: Mapping[str, int], kind: str) -> Iterator[dict[str, Any]]:
    """What was decided and a ledger has not read yet.

    Args:
        home: the ledger's folder.
        offsets: how far it has read each segment, bytes, by the path.
        kind: the type of the events that are wanted.

    Raises:
        FormatTooNewError: for a segment that a newer major version wrote.
        OSError: if one cannot be read.
    """
    for segment in segments(home / EVENTS):
        offset = offsets.get(str(segment), 0)
        while True:
            batch = read(segment, offset)
            yield from (record for record in batch.records if record.get("type") == kind)
            if batch.at_end or batch.offset == offset:
                break
            offset = batch.offset


class Events:
    """The ledger's own journal, for one process: a segment that is begun with the first event.

    Args:
        home: the ledger's folder.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / EVENTS
        self._journal: Journal | None = None

    def write(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Write events down for good.

        Raises:
            LedgerError: if one cannot be written.
        """
        for event in events:
            if self._journal is None:
                self._journal = Journal([self._folder], fsync=True)
            if not self._journal.append(event):
                self.close()
                raise LedgerError(
                    f"nothing was changed: {self._folder} cannot be written; free some space or make it writable"
                )

    def close(self) -> None:
        """End the segment, if one was begun."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
