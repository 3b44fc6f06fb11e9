"""Spans of OTLP as OpenTelemetry's SDK has them, for exporters that take no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

__all__ = ["readable"]


def readable(request: Any) -> Iterator[ReadableSpan]:
    """The spans of an ExportTraceServiceRequest, with attributes that are no lists."""
    for group in request.resource_spans:
        resource = Resource(_attributes(group.resource.attributes))
        for scoped in group.scope_spans:
            scope = InstrumentationScope(scoped.scope.name, scoped.scope.version)
            for span in scoped.spans:
                yield _readable(span, resource, scope)


def _readable(span: Any, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    parent = span.parent_span_id and _context(span.trace_id, span.parent_span_id)
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id),
        parent=parent or None,
        resource=resource,
        attributes=_attributes(span.attributes),
        kind=SpanKind(max(span.kind - 1, 0)),
        status=Status(StatusCode(span.status.code)),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=scope,
    )


def _context(trace_id: bytes, span_id: bytes) -> SpanContext:
    ids = (int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big"))
    return SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _attributes(pairs: Any) -> dict[str, Any]:
    given = ((one.key, one.value.WhichOneof("value"), one.value) for one in pairs)
    return {key: getattr(value, kind) for key, kind, value in given if kind.endswith(_SCALARS)}


_SCALARS = ("string_value", "bool_value", "int_value", "double_value")
