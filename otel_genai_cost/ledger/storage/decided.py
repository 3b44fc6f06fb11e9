"""What people decide is a fact too: events in a segment of the ledger's own, before they take effect."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.storage.keeping import EVENTS

__all__ = ["decide"]


def decide(home: Path, event: Mapping[str, Any]) -> None:
    """Write down for good what a person decided, so that a ledger that is rebuilt comes to the same.

    Args:
        home: the ledger's folder.
        event: the record.

    Raises:
        LedgerError: if it cannot be written.
    """
    journal = Journal([home / EVENTS], fsync=True)
    written = journal.append(event)
    journal.close()
    if not written:
        raise LedgerError(
            f"nothing was changed: {home / EVENTS} cannot be written; free some space or make it writable"
        )
