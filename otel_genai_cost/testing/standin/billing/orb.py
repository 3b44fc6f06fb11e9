"""Orb: `POST /ingest`; a grace period back and 5 minutes ahead; one event that fails its validation fails the batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, cast

from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.testing.standin.billing.server import (
    DAY_US,
    Answer,
    BillingStandIn,
    Request,
    Usage,
    now_us,
)

__all__ = ["OrbStandIn"]

_AHEAD_US: Final = 300_000_000


class OrbStandIn(BillingStandIn):
    """Every customer has a subscription of the same name, and a metric has the name of its event.

    Args:
        clock_us: the time, unix microseconds.
        key: that requests have to bring; empty for any.
        port: where to listen; 0 for a free port.
        grace_us: of the account.
    """

    remembers_us: int | None = DAY_US // 2

    def __init__(
        self,
        clock_us: Callable[[], int] = now_us,
        key: str = "",
        port: int = 0,
        grace_us: int = DAY_US // 2,
    ) -> None:
        super().__init__(clock_us, key, port)
        self._grace_us = self.remembers_us = grace_us

    def answer(self, request: Request) -> Answer:
        """Ingest, list subscriptions, or say what they used."""
        if (request.method, request.path) == ("POST", "/ingest"):
            return self._ingest(request.json["events"])
        if request.path == "/subscriptions":
            customer = request.query.get("external_customer_id[]", "")
            pages = {"has_more": False, "next_cursor": None}
            return Answer({"data": [{"id": customer}], "pagination_metadata": pages})
        if request.path.startswith("/subscriptions/") and request.path.endswith("/usage"):
            return Answer({"data": [self._usage_of(request)]})
        return Answer({"title": f"no such path {request.path}"}, 404)

    def _ingest(self, events: Sequence[Mapping[str, Any]]) -> Answer:
        failed = [
            {"idempotency_key": str(one.get("idempotency_key")), "validation_errors": wrong}
            for one in events
            if (wrong := list(self._wrong(one)))
        ]
        if not failed and _contradicts(events):
            return Answer({"title": "one idempotency key with two bodies", "status": 400}, 400)
        if failed:
            return Answer({"title": "validation failed", "validation_failed": failed}, 400)
        for one in events:
            quantity = Decimal(str(one["properties"].get("quantity", 0)))
            at_us = microseconds(one["timestamp"])
            customer, name = one["external_customer_id"], one["event_name"]
            usage = Usage(customer, name, quantity, at_us, self.clock_us())
            self.count(one["idempotency_key"], usage)
        return Answer({"validation_failed": []})

    def _wrong(self, one: Mapping[str, Any]) -> Iterator[str]:
        if ("customer_id" in one) == ("external_customer_id" in one):
            yield "exactly one of customer_id and external_customer_id"
        if one.get("external_customer_id") == self.refuse_customer:
            yield "customer not found"
        for name in ("idempotency_key", "event_name"):
            if not isinstance(one.get(name), str) or not one[name]:
                yield f"{name} is required"
        properties = cast("dict[str, object]", one.get("properties", {}))
        if any(isinstance(value, (dict, list)) for value in properties.values()):
            yield "properties must be flat"
        text = str(one.get("timestamp"))
        if not text.endswith("Z"):
            yield "timestamp must be in UTC, without an offset"
        elif not self._takes(microseconds(text)):
            yield "timestamp is before the grace period or more than 5 minutes ahead"

    def _takes(self, at_us: int) -> bool:
        now = self.clock_us()
        return now - self._grace_us <= at_us <= now + _AHEAD_US

    def _usage_of(self, request: Request) -> dict[str, Any]:
        customer = request.path.split("/")[2]
        metric = request.query["billable_metric_id"]
        from_us = microseconds(request.query["timeframe_start"])
        to_us = microseconds(request.query["timeframe_end"])
        usage = [
            {
                "quantity": self.quantity(customer, metric, day_us, day_us + DAY_US),
                "timeframe_start": rfc3339(day_us),
                "timeframe_end": rfc3339(day_us + DAY_US),
            }
            for day_us in range(from_us, to_us, DAY_US)
        ]
        return {
            "billable_metric": {"id": metric, "name": metric},
            "usage": usage,
            "view_mode": "periodic",
        }


def _contradicts(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a batch has one key with two bodies."""
    bodies: dict[str, set[str]] = {}
    for one in events:
        text = json.dumps(one, sort_keys=True, default=str)
        bodies.setdefault(str(one["idempotency_key"]), set()).add(text)
    return any(len(known) > 1 for known in bodies.values())
