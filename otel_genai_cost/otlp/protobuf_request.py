"""An OTLP export request in protobuf becomes spans that the meter can read, by protobuf's own library."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.metering.origin import origin_of
from otel_genai_cost.otlp.head_sampling import threshold_of
from otel_genai_cost.otlp.span import DEPTH_LIMIT, Group, Request, WireSpan
from otel_genai_cost.usage.read import Attributes

__all__ = [
    "attribute_from",
    "attributes_from",
    "id_from",
    "parsed",
    "parsed_span",
    "protobuf_request",
    "resource_from",
    "span_from",
]


def protobuf_request(message: bytes) -> Request:
    """The spans of an ExportTraceServiceRequest in protobuf.

    Args:
        message: The request.

    Raises:
        ValueError: if the message is none.
        MissingExtraError: without the protobuf library.
    """
    found: list[WireSpan] = []
    for block in parsed(message).resource_spans:
        resource = attributes_from(block.resource.attributes)
        origin = origin_of(resource)
        for part in block.scope_spans:
            group = Group(resource, origin, part.scope.name, part.scope.version)
            found += (span_from(span, group) for span in part.spans)
    spans = tuple(span for span in found if span.trace_id and span.span_id)
    return Request(spans, len(found) - len(spans))


def parsed(message: bytes) -> Any:
    """The message as protobuf's own object, which can be changed and written again.

    Args:
        message: The request.

    Raises:
        ValueError: if the message is no ExportTraceServiceRequest.
        MissingExtraError: without the protobuf library.
    """
    return _read(_library().request, message)


def parsed_span(message: bytes) -> Any:
    """The same of a Span."""
    return _read(_library().span, message)


def resource_from(message: bytes) -> Attributes:
    """The attributes of a Resource.

    Args:
        message: Its bytes.

    Raises:
        ValueError: if the message is none.
        MissingExtraError: without the protobuf library.
    """
    return attributes_from(_read(_library().resource, message).attributes)


def attribute_from(message: bytes) -> tuple[str, Any]:
    """What a KeyValue says.

    Args:
        message: Its bytes.

    Raises:
        ValueError: if the message is none.
        MissingExtraError: without the protobuf library.
    """
    pair = _read(_library().pair, message)
    return pair.key, _value(pair.value)


class _Library(NamedTuple):
    """OTLP's messages, and what protobuf raises for bytes that are none."""

    request: Any
    span: Any
    resource: Any
    pair: Any
    error: type[Exception]


@cache
def _library() -> _Library:
    try:
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )
        from opentelemetry.proto.common.v1.common_pb2 import KeyValue
        from opentelemetry.proto.resource.v1.resource_pb2 import Resource
        from opentelemetry.proto.trace.v1.trace_pb2 import Span
    except ImportError:
        raise MissingExtraError("reading OTLP protobuf", "opentelemetry-proto", "otlp") from None
    return _Library(ExportTraceServiceRequest, Span, Resource, KeyValue, DecodeError)


def _read(kind: Any, message: bytes) -> Any:
    try:
        return kind.FromString(message)
    except _library().error as error:
        raise ValueError(str(error)) from None


def span_from(span: Any, group: Group) -> WireSpan:
    """A span of protobuf's as the meter reads it."""
    return WireSpan(
        name=span.name,
        scope_name=group.scope_name,
        scope_version=group.scope_version,
        attributes=attributes_from(span.attributes),
        trace_id=id_from(span.trace_id, 16),
        span_id=id_from(span.span_id, 8),
        path=(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        is_error=span.status.code == 2,
        sampled=True,
        origin=group.origin,
        parent_id=id_from(span.parent_span_id, 8),
        resource=group.resource,
        threshold=threshold_of(span.trace_state),
    )


def id_from(raw: bytes, size: int) -> int:
    """The id that these bytes are; 0 for bytes that are none."""
    return int.from_bytes(raw, "big") if len(raw) == size else 0


def attributes_from(pairs: Iterable[Any]) -> Attributes:
    """Protobuf's pairs as the SDK would hold them; of equal keys the last holds."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any, depth: int = 0) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth > DEPTH_LIMIT:
        return None
    raw = getattr(value, kind)
    if kind == "array_value":
        return tuple([_value(one, depth + 1) for one in raw.values])
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in raw.values}
    return raw
