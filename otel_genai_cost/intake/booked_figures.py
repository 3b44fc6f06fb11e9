"""What a ledger that is served has booked since it was started, for Prometheus: without a price and without a tenant,
by why, and what was reported more than once. Labels are of closed vocabularies; by tenant and model there is the sink
`otlp_metrics`."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.transport.exposition import by_label, family

__all__ = ["BookedFigures"]

_logger = logging.getLogger("otel_genai_cost")

_UNKNOWN: Final = "unknown"


@dataclass
class _Booked:
    """What was counted, up to an entry, of so many observations that were settled."""

    seq: int = 0
    settled: int = 0
    added: int = 0
    credited: int = 0
    unpriced: Counter[str] = field(default_factory=Counter[str])
    unattributed: Counter[str] = field(default_factory=Counter[str])
    unpriced_credited: int = 0
    unattributed_credited: int = 0
    duplicates: int = 0

    def copy(self) -> _Booked:
        """One to count on in."""
        return replace(self, unpriced=self.unpriced.copy(), unattributed=self.unattributed.copy())

    def count(self, entry: Entry) -> int:
        """Count an entry; how many charges begin with it."""
        self.seq = entry.seq
        self.added += max(0, entry.calls)
        self.credited -= min(0, entry.calls)
        if entry.unpriced > 0:
            self.unpriced[entry.reason or _UNKNOWN] += entry.unpriced
        self.unpriced_credited -= min(0, entry.unpriced)
        whose = entry.attribution
        if whose.tenant is None and whose.initiator != "system":
            if entry.calls > 0:
                self.unattributed[whose.absent or _UNKNOWN] += entry.calls
            self.unattributed_credited -= min(0, entry.calls)
        return max(0, entry.calls) if entry.revision == 0 else 0

    def settle(self, settled: int, new: int) -> None:
        """Count what was settled until now, and how many charges began with that."""
        since = settled - self.settled if settled >= self.settled else settled
        self.settled = settled
        self.duplicates += max(0, since - new)


class BookedFigures:
    """Counts what rounds book. Every count only grows: what corrections take back is counted by itself. Those of a
    round come together, whoever asks meanwhile; a round that cannot be read is counted with the next.

    Args:
        home: the ledger's folder.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / LEDGER_FILE
        self._has_begun = False
        self._booked = _Booked()

    def begin(self) -> None:
        """What is there already is not counted."""
        self._has_begun = not self._path.exists()
        self.look(Shipped())

    def look(self, done: Shipped) -> None:
        """Count what has been booked since the last time.

        Args:
            done: what the rounds did until now.
        """
        if not self._path.exists():
            return
        counted = self._booked.copy()
        try:
            with closing(Ledger(self._path, readonly=True)) as ledger:
                if not self._has_begun:
                    counted.seq = ledger.entries.last_seq()
                new = sum(counted.count(entry) for entry in ledger.entries.since(counted.seq))
        except (GenAICostError, sqlite3.Error) as error:
            _logger.debug("the ledger does not say what it has booked: %r", error)
            return
        counted.settle(done.settled, new)
        self._booked, self._has_begun = counted, True

    def figures(self) -> Iterator[str]:
        """As text."""
        booked = self._booked
        for name, help_, values in (
            ("calls_total", "Charges that were booked.", {"": booked.added}),
            (
                "calls_credited_total",
                "Charges that were taken back.",
                {"": booked.credited},
            ),
            (
                "unpriced_total",
                "Charges without a price, by why.",
                by_label("reason", dict(booked.unpriced)),
            ),
            (
                "unpriced_credited_total",
                "Such charges that were given a price, or taken back.",
                {"": booked.unpriced_credited},
            ),
            (
                "unattributed_total",
                "Charges that are nobody's and not the platform's own, by why.",
                by_label("reason", dict(booked.unattributed)),
            ),
            (
                "unattributed_credited_total",
                "Such charges that were given a tenant, or taken back.",
                {"": booked.unattributed_credited},
            ),
            (
                "duplicates_total",
                "Observations that are another report of a charge, or of none.",
                {"": booked.duplicates},
            ),
        ):
            yield from family(f"ledger_{name}", help_, values)
