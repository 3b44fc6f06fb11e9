"""An agent's way on: what it received, or what stands in a folder, to a ledger; waited for where that is asked."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from otel_genai_cost.forwarding.daemon import Forwarding
from otel_genai_cost.forwarding.destination import Destination
from otel_genai_cost.intake.unshipped import Left, left_in
from otel_genai_cost.journal.files import can_lock
from otel_genai_cost.journal.ingested import marked_bytes
from otel_genai_cost.journal.receiving import is_receiving, with_senders

__all__ = ["Passing"]

_LOOK_EVERY_S: Final = 0.2


class Passing:
    """Forwards a journal's folder and those of its senders.

    Args:
        journal: the folder.
        destination: where they go.
    """

    def __init__(self, journal: Path, destination: Destination) -> None:
        self._journal = journal
        self._forwarding = Forwarding(self.folders, destination)

    def folders(self) -> Iterable[Path]:
        """The folders that there are now."""
        return with_senders([self._journal]) if self._journal.is_dir() else ()

    def start(self) -> None:
        """Begin."""
        self._forwarding.start()

    def passed(self, segment: Path, end: int, until_s: float) -> bool:
        """Wait until a segment has gone on up to a byte; whether it has.

        Args:
            segment: the file.
            end: how much of it.
            until_s: how long at most, on the monotonic clock.
        """
        if (marked_bytes(segment) or 0) >= end > 0:  # it may be gone from here
            return True
        return self._forwarding.wait({segment: end}, max(0.0, until_s - time.monotonic()))

    def end(self, grace_s: float) -> list[Left]:
        """Stay until everything has gone on and nobody writes any more, and stop.

        Args:
            grace_s: how long at most.

        Returns:
            What is left.
        """
        until_s = time.monotonic() + grace_s
        while (left_s := until_s - time.monotonic()) > 0:
            if self._forwarding.drain(left_s) and not self._is_written():
                break
            time.sleep(min(_LOOK_EVERY_S, max(0.0, until_s - time.monotonic())))
        self._forwarding.stop()
        return list(left_in(self.folders()))

    def _is_written(self) -> bool:
        """Whether a process of this machine still writes a segment."""
        return any(
            not is_receiving(segment) and not can_lock(segment)
            for folder in self.folders()
            for segment in folder.glob("[!.]*.jsonl")
        )
