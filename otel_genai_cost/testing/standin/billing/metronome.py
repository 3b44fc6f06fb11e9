"""Metronome: `POST /v1/ingest`, 1 to 100 events, 34 days back and 24 hours ahead; an id counts once in 34 days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.testing.standin.billing.server import (
    DAY_US,
    Answer,
    BillingStandIn,
    Request,
    Usage,
    is_batch,
)

__all__ = ["MetronomeStandIn"]

_BATCH: Final = 100
_TEXTS: Final = ("transaction_id", "customer_id", "event_type", "timestamp")


class MetronomeStandIn(BillingStandIn):
    """A billable metric has the name of its event type as its id, and sums the property `quantity`."""

    remembers_us: int | None = 34 * DAY_US

    def answer(self, request: Request) -> Answer:
        """Ingest, or list usage."""
        if (request.method, request.path) == ("POST", "/v1/ingest"):
            return self._ingest(request.json)
        if (request.method, request.path) == ("POST", "/v1/usage"):
            return Answer({"data": list(self._listed(request.json)), "next_page": None})
        return Answer({"message": f"no such path {request.path}"}, 404)

    def _ingest(self, events: Any) -> Answer:
        if not is_batch(events, _BATCH):
            return Answer({"message": f"1 to {_BATCH} events"}, 400)
        for place, one in enumerate(events):
            if wrong := self._wrong(one):
                return Answer({"message": f"event {place}: {wrong}"}, 400)
        for one in events:
            quantity = Decimal(str(one["properties"].get("quantity", 0)))
            at_us = microseconds(one["timestamp"])
            usage = Usage(one["customer_id"], one["event_type"], quantity, at_us, self.clock_us())
            self.count(one["transaction_id"], usage)
        return Answer()

    def _wrong(self, one: Mapping[str, Any]) -> str:
        """Why an event is refused; empty if it is not."""
        missing = [name for name in _TEXTS if not isinstance(one.get(name), str) or not one[name]]
        if missing:
            return f"without {', '.join(missing)}"
        if one["customer_id"] == self.refuse_customer:
            return f"no customer {one['customer_id']}"
        try:
            at_us = microseconds(one["timestamp"])
            Decimal(str(one.get("properties", {}).get("quantity", 0)))
        except (ValueError, InvalidOperation) as error:
            return str(error)
        if not self.clock_us() - 34 * DAY_US <= at_us <= self.clock_us() + DAY_US:
            return f"the timestamp {one['timestamp']} is more than 34 days ago or 24 hours ahead"
        return ""

    def _listed(self, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        from_us, to_us = microseconds(asked["starting_on"]), microseconds(asked["ending_before"])
        for customer in asked["customer_ids"]:
            for metric in asked["billable_metrics"]:
                for day_us in range(from_us, to_us, DAY_US):
                    yield {
                        "billable_metric_id": metric["id"],
                        "billable_metric_name": metric["id"],
                        "customer_id": customer,
                        "start_timestamp": rfc3339(day_us),
                        "end_timestamp": rfc3339(day_us + DAY_US),
                        "value": self.quantity(customer, metric["id"], day_us, day_us + DAY_US),
                    }
