"""Stripe: meter events, one a call (v1) or 100 a request of a session of 15 minutes (v2); 35 days back, 5 minutes
ahead; whole numbers; an id counts once in 24 hours; what was taken is looked at afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qsl

from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.testing.standin.billing.server import (
    DAY_US,
    Answer,
    BillingStandIn,
    Request,
    Usage,
    is_batch,
    now_us,
)

__all__ = ["StripeStandIn"]

_BATCH: Final = 100
_BACK_US: Final = 35 * DAY_US
_AHEAD_US: Final = 300_000_000
_SESSION_US: Final = 15 * 60 * 1_000_000
_SAMPLES_MAX: Final = 5
_DIGITS_MAX: Final = 15
_METER: Final = "mtr_"
_SUMMARIES: Final = re.compile(r"/v1/billing/meters/([^/]+)/event_summaries")
_REPORT: Final = "v1.billing.meter.error_report_triggered"


class StripeStandIn(BillingStandIn):
    """A meter's id is `mtr_` and the name of its events.

    Args:
        clock_us: the time, unix microseconds.
        key: that requests have to bring; empty for any.
        port: where to listen; 0 for a free port.
    """

    remembers_us: int | None = DAY_US

    def __init__(self, clock_us: Callable[[], int] = now_us, key: str = "", port: int = 0) -> None:
        super().__init__(clock_us, key, port)
        self.sessions: dict[str, int] = {}
        """Tokens of sessions, and when each ends (unix microseconds)."""
        self._numbers = count(1)
        self._reports: dict[str, dict[str, Any]] = {}

    def refusal(self, status: int, message: str) -> Answer:
        """An error's object."""
        return _error(status, message)

    def is_allowed(self, request: Request) -> bool:
        """The stream takes the tokens of sessions alone."""
        if request.path != "/v2/billing/meter_event_stream":
            return super().is_allowed(request)
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self.sessions

    def answer(self, request: Request) -> Answer:
        """Take meter events, cancel one, or say what was taken."""
        found = {
            ("POST", "/v1/billing/meter_events"): self._one,
            ("POST", "/v1/billing/meter_event_adjustments"): self._cancel,
            ("POST", "/v2/billing/meter_event_session"): self._session,
            ("POST", "/v2/billing/meter_event_stream"): self._stream,
            ("GET", "/v2/core/events"): self._listed,
        }.get((request.method, request.path))
        if found is not None:
            return found(request)
        if match := _SUMMARIES.fullmatch(request.path):
            return self._summaries(match[1].removeprefix(_METER), request.query)
        report = self._reports.get(request.path.rpartition("/")[2])
        return Answer(report) if report else _error(404, f"no such path {request.path}")

    # --- v1 ---

    def _one(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        payload = {
            name[len("payload[") : -1]: value
            for name, value in form.items()
            if name.startswith("payload[")
        }
        identifier, at_us = form["identifier"], int(form["timestamp"]) * 1_000_000
        wrong = self._wrong(payload, at_us)
        if wrong and wrong[0] != "meter_event_customer_not_found":
            return _error(400, wrong[1])
        if self.knows(identifier) is not None:
            return _error(400, f"An event already exists with identifier {identifier}.")
        self._take(form["event_name"], identifier, payload, at_us)
        body = {**form, "object": "billing.meter_event", "payload": payload, "livemode": False}
        return Answer({"created": self.clock_us() // 1_000_000, **body})

    def _cancel(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.content.decode()))
        known = self.knows(form["cancel[identifier]"])
        if known is None:
            return _error(400, "no event with that identifier was received within 24 hours")
        self.forget(form["cancel[identifier]"])
        body = {"object": "billing.meter_event_adjustment", "type": "cancel", "status": "complete"}
        return Answer({**body, "event_name": form["event_name"], "livemode": False})

    # --- v2 ---

    def _session(self, request: Request) -> Answer:
        token, now = f"session-{next(self._numbers)}", self.clock_us()
        self.sessions[token] = now + _SESSION_US
        return Answer(
            {
                "id": f"mes_{token}",
                "object": "v2.billing.meter_event_session",
                "authentication_token": token,
                "created": rfc3339(now),
                "expires_at": rfc3339(now + _SESSION_US),
                "livemode": False,
            }
        )

    def _stream(self, request: Request) -> Answer:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if self.clock_us() > self.sessions[token]:
            return _error(400, "the session has expired", "temporary_session_expired")
        events = request.json["events"]
        if not is_batch(events, _BATCH):
            return _error(400, f"1 to {_BATCH} events")
        for one in events:
            at_us = microseconds(one["timestamp"])
            self._take(one["event_name"], one["identifier"], one["payload"], at_us)
        return Answer({})

    # --- what both take is looked at afterwards ---

    def _take(self, name: str, identifier: str, payload: Mapping[str, str], at_us: int) -> None:
        wrong = self._wrong(payload, at_us)
        if wrong:
            self._report(name, identifier, *wrong)
            return
        quantity = Decimal(payload["value"])
        usage = Usage(payload["stripe_customer_id"], name, quantity, at_us, self.clock_us())
        self.count(identifier, usage)

    def _wrong(self, payload: Mapping[str, str], at_us: int) -> tuple[str, str] | None:
        now = self.clock_us()
        value = payload.get("value", "")
        if at_us < now - _BACK_US:
            return "timestamp_too_far_in_past", "the timestamp is more than 35 days ago"
        if at_us > now + _AHEAD_US:
            return "timestamp_in_future", "the timestamp is more than 5 minutes ahead"
        if not _is_whole(value):
            return "meter_event_invalid_value", f"the value {value} is no whole number"
        if len(value.lstrip("-")) > _DIGITS_MAX:
            return "meter_event_value_too_many_digits", f"the value {value} has too many digits"
        if payload.get("stripe_customer_id") in (None, "", self.refuse_customer):
            return "meter_event_customer_not_found", "there is no such customer"
        return None

    def _report(self, name: str, identifier: str, code: str, message: str) -> None:
        """Add to the report of a meter: of many errors only samples are named."""
        meter = f"{_METER}{name}"
        one = next((r for r in self._reports.values() if r["related_object"]["id"] == meter), None)
        if one is None:
            one = self._empty_report(meter)
        types: list[dict[str, Any]] = one["data"]["reason"]["error_types"]
        known = next((t for t in types if t["code"] == code), None)
        if known is None:
            types.append({"code": code, "error_count": 0, "sample_errors": []})
            known = types[-1]
        known["error_count"] += 1
        one["data"]["reason"]["error_count"] += 1
        if len(known["sample_errors"]) < _SAMPLES_MAX:
            request = {"identifier": identifier}
            known["sample_errors"].append({"error_message": message, "request": request})

    def _empty_report(self, meter: str) -> dict[str, Any]:
        now = rfc3339(self.clock_us())
        one: dict[str, Any] = {
            "id": f"evt_{next(self._numbers)}",
            "object": "v2.core.event",
            "type": _REPORT,
            "created": now,
            "livemode": False,
            "related_object": {
                "id": meter,
                "type": "billing.meter",
                "url": f"/v1/billing/meters/{meter}",
            },
            "data": {
                "developer_message_summary": "invalid meter events",
                "reason": {"error_count": 0, "error_types": []},
                "validation_start": now,
                "validation_end": now,
            },
        }
        self._reports[one["id"]] = one
        return one

    def _listed(self, request: Request) -> Answer:
        meter = request.query.get("object_id")
        found = [
            {name: value for name, value in one.items() if name != "data"}
            for one in self._reports.values()
            if one["related_object"]["id"] == meter
        ]
        return Answer({"data": found, "next_page_url": None, "previous_page_url": None})

    def _summaries(self, meter: str, query: Mapping[str, str]) -> Answer:
        first, last = (int(query[name]) * 1_000_000 for name in ("start_time", "end_time"))
        days = [
            {
                "id": f"mes_{day_us}",
                "object": "billing.meter_event_summary",
                "aggregated_value": self.quantity(
                    query["customer"], meter, day_us, day_us + DAY_US
                ),
                "start_time": day_us // 1_000_000,
                "end_time": (day_us + DAY_US) // 1_000_000,
                "meter": f"{_METER}{meter}",
                "livemode": False,
            }
            for day_us in range(first, last, DAY_US)
        ]
        return Answer({"object": "list", "data": days, "has_more": False})


def _is_whole(text: str) -> bool:
    try:
        return Decimal(text) == Decimal(text).to_integral_value() and "." not in text
    except InvalidOperation:
        return False


def _error(status: int, message: str, kind: str = "invalid_request_error") -> Answer:
    return Answer({"error": {"message": message, "type": kind, "code": kind}}, status)
