"""What a billing system is sent: how much a customer used by a meter in a window of time, or a difference to that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["UsageEvent", "Window", "event_id", "event_json", "units_of"]

_ONE: Final = 10**18
_PLACES: Final = 18


class Window(NamedTuple):
    """What events are about: the calls of a tenant in [start, start + length) that a meter counts.

    Attributes:
        meter: its name.
        tenant: as it stands on the calls; empty where there is none.
        properties: by which the meter is divided, such as the model; and the currency of money.
        start_us: unix microseconds.
    """

    meter: str
    tenant: str
    properties: str
    start_us: int


class UsageEvent(NamedTuple):
    """A frozen event: sent again, it is the same to the byte.

    Attributes:
        id: follows from what it is about, see `event_id`.
        customer: as the billing system names it.
        tenant: whose calls these are; empty where they name none.
        meter: the name of the meter, which is the name of the event at the billing system.
        quantity: 1e-18 of the meter's unit; negative where it corrects.
        start_us: when its window begins, unix microseconds: the time of the event.
        length_us: of the window.
        properties: what else it says.
        revision: of the window, from 1.
    """

    id: str
    customer: str
    tenant: str
    meter: str
    quantity: int
    start_us: int
    length_us: int
    properties: Mapping[str, str]
    revision: int

    @property
    def value(self) -> str:
        """The quantity as a decimal string."""
        return format_money(self.quantity)


def event_id(window: Window, revision: int) -> str:
    """The id of an event: the same, whoever makes it and whenever.

    Args:
        window: what it is about.
        revision: how many events there were of it before, and one.
    """
    key = json.dumps(["ogb1", *window, revision], separators=(",", ":"))
    return f"ogb-{blake2b(key.encode(), digest_size=16).hexdigest()}"


def event_json(event: UsageEvent) -> dict[str, Any]:
    """An event as JSON, for files and webhooks."""
    return {
        "id": event.id,
        "customer": event.customer,
        "tenant": event.tenant or None,
        "meter": event.meter,
        "quantity": event.value,
        "from": rfc3339(event.start_us),
        "to": rfc3339(event.start_us + event.length_us),
        "properties": dict(event.properties),
        "revision": event.revision,
    }


def units_of(total: int, unit: int, decimals: int) -> int:
    """How much of a sum can be sent, in 1e-18 of a unit; what is left is sent once it is enough.

    Args:
        total: 1e-18 of what is counted.
        unit: 1e-18 of what is counted, too.
        decimals: how many places the billing system takes.
    """
    quantum: int = 10 ** (_PLACES - decimals)
    whole = abs(total) * _ONE // (unit * quantum) * quantum
    return whole if total >= 0 else -whole
