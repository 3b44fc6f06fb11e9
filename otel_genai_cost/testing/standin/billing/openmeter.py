"""OpenMeter: CloudEvents by `POST /api/v1/events`; an event is known by source and id, for as long as it is set up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.testing.standin.billing.server import (
    DAY_US,
    Answer,
    BillingStandIn,
    Request,
    Usage,
)

__all__ = ["OpenMeterStandIn"]

_BATCH_TYPE: Final = "application/cloudevents-batch+json"
_TYPE: Final = "application/cloudevents+json"
_REQUIRED: Final = ("id", "source", "specversion", "type", "subject")


class OpenMeterStandIn(BillingStandIn):
    """A meter has the name of its event type as its slug, and sums `$.quantity`."""

    remembers_us: int | None = 32 * DAY_US

    def answer(self, request: Request) -> Answer:
        """Ingest, or query a meter."""
        if (request.method, request.path) == ("POST", "/api/v1/events"):
            kind = request.headers.get("content-type", "").partition(";")[0]
            if kind not in (_TYPE, _BATCH_TYPE):
                return Answer({"title": "Unsupported Media Type"}, 415)
            return self._ingest(request.json if kind == _BATCH_TYPE else [request.json])
        parts = request.path.split("/")
        if parts[:4] == ["", "api", "v1", "meters"] and parts[-1] == "query":
            return Answer({"data": list(self._queried(parts[4], request.query))})
        return Answer({"title": f"no such path {request.path}"}, 404)

    def _ingest(self, events: Sequence[Mapping[str, Any]]) -> Answer:
        for place, one in enumerate(events):
            if wrong := self._wrong(one):
                return Answer({"title": "Bad Request", "detail": f"event {place}: {wrong}"}, 400)
        for one in events:
            at_us = microseconds(one["time"]) if "time" in one else self.clock_us()
            quantity = Decimal(str(one["data"]["quantity"]))
            usage = Usage(one["subject"], one["type"], quantity, at_us, self.clock_us())
            self.count(f"{one['source']}|{one['id']}", usage)
        return Answer(status=204)

    def _wrong(self, one: Mapping[str, Any]) -> str:
        missing = [
            name for name in _REQUIRED if not isinstance(one.get(name), str) or not one[name]
        ]
        if missing:
            return f"without {', '.join(missing)}"
        if one["specversion"] != "1.0" or one["subject"] == self.refuse_customer:
            return "specversion or subject is invalid"
        try:
            Decimal(str(one["data"]["quantity"]))
        except (InvalidOperation, KeyError, TypeError):
            return "data.quantity is no number"
        return ""

    def _queried(self, meter: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        from_us, to_us = microseconds(query["from"]), microseconds(query["to"])
        for day_us in range(from_us, to_us, DAY_US):
            yield {
                "value": self.quantity(query["subject"], meter, day_us, day_us + DAY_US),
                "subject": query["subject"],
                "windowStart": rfc3339(day_us),
                "windowEnd": rfc3339(day_us + DAY_US),
            }
