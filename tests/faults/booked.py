"""What a ledger makes of the calls that came to it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["Booked", "booked"]


class Booked(NamedTuple):
    """Charges, the spans that are in one and the responses that they tell of, how many are charged more than once, and
    what is missing by its numbers."""

    charges: int
    spans: frozenset[str]
    responses: frozenset[str]
    doubled: int
    gaps: int


def booked(home: Path) -> Booked:
    """Read it from the ledger.

    Args:
        home: the ledger's folder.
    """
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    calls = Counter[str]()
    for entry in ledger.entries:
        calls[entry.charge_id] += entry.calls
    gaps = sum(cursor.gaps for cursor in ledger.cursors.all())
    charged = {
        (one.observation.span_id, one.observation.response_id, one.charge_id)
        for one in ledger.observations.settled_since(0)
        if one.charge_id and calls[one.charge_id]
    }
    ledger.close()
    spans = frozenset(span_id for span_id, *_ in charged)
    responses = frozenset(response_id for _, response_id, _ in charged if response_id)
    doubled = sum(one != 1 for one in calls.values()) + len(charged) - len(spans)
    return Booked(len(calls), spans, responses, doubled, gaps)
