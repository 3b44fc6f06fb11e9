"""The fields of an export request, by the tag that stands before each: its number in OTLP's messages, and its kind.

Source: opentelemetry-proto, `collector/trace/v1/trace_service.proto`, `trace/v1/trace.proto`, `common/v1/common.proto`.
"""

from __future__ import annotations

from typing import Final

from otel_genai_cost.transport.fields import BYTES, FIXED64, VARINT

__all__ = [
    "ATTRIBUTE",
    "END",
    "KIND",
    "NAME",
    "PARENT_ID",
    "RESOURCE",
    "RESOURCE_ATTRIBUTE",
    "RESOURCE_SPANS",
    "SCOPE",
    "SCOPE_NAME",
    "SCOPE_SPANS",
    "SCOPE_VERSION",
    "SPAN",
    "SPAN_ID",
    "START",
    "STATUS",
    "STATUS_CODE",
    "TRACE_ID",
    "TRACE_STATE",
]

RESOURCE_SPANS: Final = 1 << 3 | BYTES
"""Of ExportTraceServiceRequest; below, of ResourceSpans."""

RESOURCE: Final = 1 << 3 | BYTES
SCOPE_SPANS: Final = 2 << 3 | BYTES

RESOURCE_ATTRIBUTE: Final = 1 << 3 | BYTES
"""Of Resource; below, of ScopeSpans."""

SCOPE: Final = 1 << 3 | BYTES
SPAN: Final = 2 << 3 | BYTES

SCOPE_NAME: Final = 1 << 3 | BYTES
"""Of InstrumentationScope."""

SCOPE_VERSION: Final = 2 << 3 | BYTES

TRACE_ID: Final = 1 << 3 | BYTES
"""Of Span."""

SPAN_ID: Final = 2 << 3 | BYTES
TRACE_STATE: Final = 3 << 3 | BYTES
PARENT_ID: Final = 4 << 3 | BYTES
NAME: Final = 5 << 3 | BYTES
KIND: Final = 6 << 3 | VARINT
START: Final = 7 << 3 | FIXED64
END: Final = 8 << 3 | FIXED64
ATTRIBUTE: Final = 9 << 3 | BYTES
STATUS: Final = 15 << 3 | BYTES

STATUS_CODE: Final = 3 << 3 | VARINT
"""Of Status."""
