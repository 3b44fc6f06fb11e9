"""What a ledger that is served has booked since it was started, for Prometheus: without a price and without a tenant,
by why, and what was reported more than once. Labels are of closed vocabularies; by tenant and model there is the sink
`otlp_metrics`."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
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


class BookedFigures:
    """Counts what rounds book. Every count only grows: what corrections take back is counted by itself.

    Args:
        home: the ledger's folder.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / LEDGER_FILE
        self._seq: int | None = None
        self._settled = 0
        self._calls = Counter[str](added=0, credited=0)
        self._unpriced, self._unattributed = Counter[str](), Counter[str]()
        self._credited = Counter[str](unpriced=0, unattributed=0)
        self._duplicates = 0

    def begin(self) -> None:
        """What is there already is not counted."""
        self._seq = 0
        if self._path.exists():
            self._seq = None
            self.look(Shipped())

    def look(self, done: Shipped) -> None:
        """Count what has been booked since the last time.

        Args:
            done: what the rounds did until now.
        """
        if not self._path.exists():
            return
        try:
            with closing(Ledger(self._path, readonly=True)) as ledger:
                if self._seq is None:
                    self._seq = ledger.entries.last_seq()
                new = sum(self._count(entry) for entry in ledger.entries.since(self._seq))
        except (GenAICostError, sqlite3.Error) as error:
            _logger.debug("the ledger does not say what it has booked: %r", error)
            return
        settled = done.settled - self._settled if done.settled >= self._settled else done.settled
        self._settled = done.settled
        self._duplicates += max(0, settled - new)

    def _count(self, entry: Entry) -> int:
        """Whether it is the first of a charge."""
        self._seq = entry.seq
        self._calls["added" if entry.calls > 0 else "credited"] += abs(entry.calls)
        if entry.unpriced > 0:
            self._unpriced[entry.reason or _UNKNOWN] += entry.unpriced
        self._credited["unpriced"] -= min(0, entry.unpriced)
        whose = entry.attribution
        if whose.tenant is None and whose.initiator != "system":
            if entry.calls > 0:
                self._unattributed[whose.absent or _UNKNOWN] += entry.calls
            self._credited["unattributed"] -= min(0, entry.calls)
        return max(0, entry.calls) if entry.revision == 0 else 0

    def figures(self) -> Iterator[str]:
        """As text."""
        for name, help_, values in (
            ("calls_total", "Charges that were booked.", {"": self._calls["added"]}),
            (
                "calls_credited_total",
                "Charges that were taken back.",
                {"": self._calls["credited"]},
            ),
            (
                "unpriced_total",
                "Charges without a price, by why.",
                by_label("reason", dict(self._unpriced)),
            ),
            (
                "unpriced_credited_total",
                "Such charges that were given a price, or taken back.",
                {"": self._credited["unpriced"]},
            ),
            (
                "unattributed_total",
                "Charges that are nobody's and not the platform's own, by why.",
                by_label("reason", dict(self._unattributed)),
            ),
            (
                "unattributed_credited_total",
                "Such charges that were given a tenant, or taken back.",
                {"": self._credited["unattributed"]},
            ),
            (
                "duplicates_total",
                "Observations that are another report of a charge, or of none.",
                {"": self._duplicates},
            ),
        ):
            yield from family(f"ledger_{name}", help_, values)
