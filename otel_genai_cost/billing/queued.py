"""An event in the outbox with its state, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.billing.usage_event import UsageEvent

__all__ = ["QUEUED", "Attempt", "Queued", "queued_of"]

QUEUED: Final = (
    "SELECT event.n, event.id, event.customer, total.tenant, total.meter, event.quantity, total.start_us,"
    " event.length_us, total.properties, event.revision, queue.state, queue.due_us, queue.tries, queue.unsure_us,"
    " queue.reason FROM queue JOIN event ON event.n = queue.event JOIN total ON total.n = event.total"
)
"""What asks for all that `queued_of` reads."""


class Queued(NamedTuple):
    """An event and what came of it until now.

    Attributes:
        n: in the outbox.
        event: it.
        state: waiting, accepted, blocked, rejected or cancelled.
        due_us: when it is tried again; of one that was accepted, when it was.
        tries: how often it was tried.
        unsure_us: since when it may count there though nobody said so; None if it surely does not.
        reason: of its state.
    """

    n: int
    event: UsageEvent
    state: str
    due_us: int
    tries: int
    unsure_us: int | None
    reason: str


class Attempt(NamedTuple):
    """What came of an event: its next state, and when it is tried again."""

    n: int
    state: str
    reason: str = ""
    due_us: int = 0
    is_unsure: bool = False


def queued_of(row: Sequence[Any]) -> Queued:
    """The event of a row of `QUEUED`."""
    n, name, customer, tenant, meter, quantity, start_us, length_us, properties, revision = row[:10]
    event = UsageEvent(
        id=name,
        customer=customer,
        tenant=tenant,
        meter=meter,
        quantity=int(quantity),
        start_us=start_us,
        length_us=length_us,
        properties=json.loads(properties),
        revision=revision,
    )
    return Queued(n, event, *row[10:])
