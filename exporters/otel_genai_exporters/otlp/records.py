"""The SDK's objects that its exporters take: log records."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_genai_cost import attributes as names
from otel_genai_cost.ledger.entry import Entry
from otel_genai_exporters.otlp.event import EVENT_NAME, attributes_of, body_of

__all__ = ["SCOPE", "log_records", "resource_of"]

SCOPE: Final = InstrumentationScope("otel_genai_exporters.otlp")
_SERVICE: Final = "genai-cost"


@cache
def resource_of(ledger_id: str) -> Resource:
    """The ledger as a resource, with what `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say. Its id stands for the
    instance, so that series go on where another process ships."""
    own = Resource(
        {
            "service.name": _SERVICE,
            "service.instance.id": ledger_id,
            names.LEDGER_ID: ledger_id,
        }
    )
    found = Resource.create({})
    if str(found.attributes.get("service.name", "")).startswith("unknown_service"):
        return found.merge(own)
    return own.merge(found)


def log_records(ledger_id: str, entries: Sequence[Entry]) -> Sequence[Any]:
    """Entries as the log exporters take them. Nothing is cut by limits on attributes: half an amount is another."""
    resource = resource_of(ledger_id)
    return [ReadableLogRecord(_record(entry), resource, SCOPE) for entry in entries]


def _record(entry: Entry) -> LogRecord:
    return LogRecord(
        timestamp=entry.occurred_us * 1000,
        observed_timestamp=entry.booked_us * 1000,
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body=body_of(entry),
        attributes=attributes_of(entry),
        event_name=EVENT_NAME,
    )
