"""Lago: `POST /api/v1/events/batch`, up to 100. Its PostgreSQL pipeline refuses an id that it has; its ClickHouse
pipeline knows events by id and time, and a later one takes the place of the former."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.testing.standin.billing.server import (
    Answer,
    BillingStandIn,
    Request,
    Usage,
    is_batch,
    now_us,
)

__all__ = ["LagoClickHouseStandIn", "LagoStandIn"]

_BATCH: Final = 100


class LagoStandIn(BillingStandIn):
    """A billable metric has the name of its events as its code, and sums the property `quantity`.

    Args:
        clock_us: the time, unix microseconds.
        key: that requests have to bring; empty for any.
        port: where to listen; 0 for a free port.
        clickhouse: whether it is the ClickHouse pipeline.
    """

    def __init__(
        self,
        clock_us: Callable[[], int] = now_us,
        key: str = "",
        port: int = 0,
        clickhouse: bool = False,
    ) -> None:
        super().__init__(clock_us, key, port)
        self._clickhouse = clickhouse

    def answer(self, request: Request) -> Answer:
        """Ingest, or list events."""
        if (request.method, request.path) == ("POST", "/api/v1/events/batch"):
            return self._ingest(request.json.get("events"))
        if (request.method, request.path) == ("GET", "/api/v1/events"):
            return self._listed(request.query)
        return Answer({"error": f"no such path {request.path}"}, 404)

    def _ingest(self, events: Any) -> Answer:
        if not is_batch(events, _BATCH):
            return _refused({"events": ["too_many_events"]})
        wrong = {str(n): found for n, one in enumerate(events) if (found := self._wrong(one))}
        if wrong:
            return _refused(wrong)
        for one in events:
            quantity = Decimal(str(one["properties"]["quantity"]))
            at_us = int(one["timestamp"]) * 1_000_000
            customer, code = one["external_subscription_id"], one["code"]
            key = one["transaction_id"]
            if self._clickhouse:
                key = f"{key}|{one['timestamp']}"
                self.forget(key)
            self.count(key, Usage(customer, code, quantity, at_us, self.clock_us()))
        return Answer({"events": [{**one, "lago_id": one["transaction_id"]} for one in events]})

    def _wrong(self, one: Mapping[str, Any]) -> dict[str, list[str]]:
        found = {
            name: ["value_is_mandatory"]
            for name in ("transaction_id", "external_subscription_id", "code")
            if not one.get(name)
        }
        if one.get("external_subscription_id") == self.refuse_customer:
            found["external_subscription_id"] = ["subscription_not_found"]
        if not self._clickhouse and self.knows(str(one.get("transaction_id"))) is not None:
            found["transaction_id"] = ["value_already_exist"]
        try:
            Decimal(str(one["properties"]["quantity"]))
        except (InvalidOperation, KeyError, TypeError):
            found["properties"] = ["value_is_not_valid"]
        return found

    def _listed(self, query: Mapping[str, str]) -> Answer:
        from_us = microseconds(query["timestamp_from"])
        to_us = microseconds(query["timestamp_to"])
        found = [
            {
                "transaction_id": key.partition("|")[0],
                "timestamp": rfc3339(one.at_us),
                "properties": {"quantity": f"{one.quantity:f}"},
            }
            for key, counted in self.usage().items()
            for one in counted
            if (one.customer, one.meter) == (query["external_subscription_id"], query["code"])
            and from_us <= one.at_us <= to_us
        ]
        page, size = int(query.get("page", "1")), int(query.get("per_page", "100"))
        shown = found[(page - 1) * size : page * size]
        more = page + 1 if page * size < len(found) else None
        return Answer({"events": shown, "meta": {"current_page": page, "next_page": more}})


class LagoClickHouseStandIn(LagoStandIn):
    """The ClickHouse pipeline.

    Args:
        clock_us: the time, unix microseconds.
        key: that requests have to bring; empty for any.
        port: where to listen; 0 for a free port.
    """

    def __init__(self, clock_us: Callable[[], int] = now_us, key: str = "", port: int = 0) -> None:
        super().__init__(clock_us, key, port, clickhouse=True)


def _refused(details: Mapping[str, Any]) -> Answer:
    body = {"status": 422, "error": "Unprocessable Entity", "code": "validation_errors"}
    return Answer({**body, "error_details": details}, 422)
