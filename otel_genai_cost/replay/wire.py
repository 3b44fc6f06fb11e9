"""Spans on the wire: an OTLP export request, as JSON or protobuf, becomes spans that the meter can read.

JSON is read as the OTLP specification writes it and as protobuf's own JSON mapping does: ids in hex or base64, 64-bit
integers as text or numbers, enums by number or name, keys in camel or snake case. What is no span is left out and
counted.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast

from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.metering.origin import origin_of
from otel_genai_cost.usage.read import Attributes, Origin

__all__ = ["Request", "WireSpan", "json_request", "protobuf_request"]

_DEPTH_LIMIT: Final = 16
_INT64_MAX: Final = (1 << 63) - 1
_TIME_MAX: Final = (1 << 64) - 1
_ERROR: Final = frozenset({2, "2", "STATUS_CODE_ERROR"})
_JSON: TypeAlias = Mapping[str, Any]


class WireSpan(NamedTuple):
    """An ended span as it was exported. `parent_id` is 0 for a root; `path` holds what is known of its ancestors."""

    name: str
    scope_name: str
    scope_version: str
    attributes: Attributes
    trace_id: int
    span_id: int
    path: tuple[int, ...]
    start_ns: int
    end_ns: int
    is_error: bool
    sampled: bool
    origin: Origin
    parent_id: int
    resource: Attributes


class Request(NamedTuple):
    """One export request: its spans, and how many things in it were no span."""

    spans: tuple[WireSpan, ...]
    malformed: int = 0


class _Group(NamedTuple):
    """What the spans of one scope have in common."""

    resource: Attributes
    origin: Origin
    scope_name: str
    scope_version: str


# --- JSON ---


def json_request(message: Mapping[str, Any]) -> Request:
    """The spans of an ExportTraceServiceRequest in JSON."""
    found: list[WireSpan] = []
    malformed = 0
    for group, span in _json_spans(message):
        view = _json_span(group, span)
        if view is None:
            malformed += 1
        else:
            found.append(view)
    return Request(tuple(found), malformed)


def _json_spans(message: _JSON) -> Iterator[tuple[_Group, _JSON]]:
    for block in _objects(message, "resourceSpans", "resource_spans"):
        resource = _json_attributes(_object(block, "resource", "resource"))
        origin = origin_of(resource)
        for part in _objects(block, "scopeSpans", "scope_spans"):
            scope = _object(part, "scope", "scope")
            name, version = _text(scope.get("name")), _text(scope.get("version"))
            group = _Group(resource, origin, name, version)
            for span in _objects(part, "spans", "spans"):
                yield group, span


def _json_span(group: _Group, span: _JSON) -> WireSpan | None:
    def get(camel: str, snake: str) -> object:
        return span.get(camel, span.get(snake))

    trace_id = _id(get("traceId", "trace_id"), 16)
    span_id = _id(get("spanId", "span_id"), 8)
    if not trace_id or not span_id:
        return None
    status = _object(span, "status", "status")
    return WireSpan(
        name=_text(span.get("name")),
        scope_name=group.scope_name,
        scope_version=group.scope_version,
        attributes=_json_attributes(span),
        trace_id=trace_id,
        span_id=span_id,
        path=(),
        start_ns=_time(get("startTimeUnixNano", "start_time_unix_nano")),
        end_ns=_time(get("endTimeUnixNano", "end_time_unix_nano")),
        is_error=_is_error(status.get("code")),
        sampled=True,
        origin=group.origin,
        parent_id=_id(get("parentSpanId", "parent_span_id"), 8),
        resource=group.resource,
    )


def _object(holder: _JSON, camel: str, snake: str) -> _JSON:
    found = holder.get(camel, holder.get(snake))
    return cast("_JSON", found) if isinstance(found, dict) else {}


def _objects(holder: _JSON, camel: str, snake: str) -> list[_JSON]:
    found = holder.get(camel, holder.get(snake))
    if not isinstance(found, list):
        return []
    return [cast("_JSON", one) for one in cast("list[object]", found) if isinstance(one, dict)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_error(code: object) -> bool:
    return isinstance(code, (int, str)) and code in _ERROR


def _time(value: object) -> int:
    """Nanoseconds; 0 for what is no time."""
    number = _integer(value)
    return number if number is not None and 0 <= number <= _TIME_MAX else 0


def _integer(value: object) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, str) and len(value) <= 20:
        try:
            return int(value)
        except ValueError:
            return None
    return None


def _id(value: object, size: int) -> int:
    """An id in hex or base64; 0 for what is none."""
    if not isinstance(value, str) or not value:
        return 0
    try:
        if len(value) == 2 * size:
            return int(value, 16)
        raw = b64decode(value, validate=True)
    except (ValueError, Base64Error):
        return 0
    return int.from_bytes(raw, "big") if len(raw) == size else 0


def _json_attributes(holder: _JSON) -> Attributes:
    return {
        key: _json_value(_object(pair, "value", "value"))
        for pair in _objects(holder, "attributes", "attributes")
        if isinstance(key := pair.get("key"), str)
    }


def _json_value(value: _JSON, depth: int = 0) -> Any:
    """An AnyValue as the SDK would hold it: a list is a tuple. What is none of the known kinds is None."""
    for kind, raw in value.items():
        if (convert := _SCALARS.get(kind)) is not None:
            return convert(raw)
        if kind in ("arrayValue", "array_value") and depth < _DEPTH_LIMIT:
            held = cast("_JSON", raw if isinstance(raw, dict) else {})
            return tuple([_json_value(one, depth + 1) for one in _objects(held, "values", "")])
        if kind in ("kvlistValue", "kvlist_value") and depth < _DEPTH_LIMIT:
            held = cast("_JSON", raw if isinstance(raw, dict) else {})
            pairs = _objects(held, "values", "")
            return {
                _text(pair.get("key")): _json_value(_object(pair, "value", ""), depth + 1)
                for pair in pairs
            }
    return None


def _json_int(raw: object) -> int | None:
    number = _integer(raw)
    return number if number is None or abs(number) <= _INT64_MAX + 1 else None


def _json_double(raw: object) -> float | None:
    if isinstance(raw, (int, float, str)):
        try:
            return float(raw)
        except (ValueError, OverflowError):
            return None
    return None


def _json_bytes(raw: object) -> bytes | None:
    try:
        return b64decode(_text(raw), validate=True)
    except (ValueError, Base64Error):
        return None


_CONVERT: Final[Mapping[str, Callable[[object], Any]]] = {
    "string": lambda raw: raw if isinstance(raw, str) else None,
    "bool": lambda raw: raw if isinstance(raw, bool) else None,
    "int": _json_int,
    "double": _json_double,
    "bytes": _json_bytes,
}
_SCALARS: Final = {
    f"{kind}{ending}": convert
    for kind, convert in _CONVERT.items()
    for ending in ("Value", "_value")
}


# --- protobuf ---


def protobuf_request(message: bytes) -> Request:
    """The spans of an ExportTraceServiceRequest in protobuf.

    Raises:
        ValueError: if the message is none.
        MissingExtraError: without the protobuf library.
    """
    try:
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )
    except ImportError:
        raise MissingExtraError("reading OTLP protobuf", "opentelemetry-proto", "otlp") from None
    try:
        kind: Any = ExportTraceServiceRequest
        request = kind.FromString(message)
    except DecodeError as error:
        raise ValueError(str(error)) from None
    found = [
        view
        for block in request.resource_spans
        for view in _protobuf_spans(block, _protobuf_attributes(block.resource.attributes))
    ]
    return Request(
        tuple(view for view in found if view.trace_id and view.span_id),
        sum(not (view.trace_id and view.span_id) for view in found),
    )


def _protobuf_spans(block: Any, resource: Attributes) -> Iterator[WireSpan]:
    origin = origin_of(resource)
    for part in block.scope_spans:
        for span in part.spans:
            yield WireSpan(
                name=span.name,
                scope_name=part.scope.name,
                scope_version=part.scope.version,
                attributes=_protobuf_attributes(span.attributes),
                trace_id=int.from_bytes(span.trace_id, "big"),
                span_id=int.from_bytes(span.span_id, "big"),
                path=(),
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                is_error=span.status.code == 2,
                sampled=True,
                origin=origin,
                parent_id=int.from_bytes(span.parent_span_id, "big"),
                resource=resource,
            )


def _protobuf_attributes(pairs: Sequence[Any]) -> Attributes:
    return {pair.key: _protobuf_value(pair.value) for pair in pairs}


def _protobuf_value(value: Any, depth: int = 0) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth > _DEPTH_LIMIT:
        return None
    raw = getattr(value, kind)
    if kind == "array_value":
        return tuple([_protobuf_value(one, depth + 1) for one in raw.values])
    if kind == "kvlist_value":
        return {pair.key: _protobuf_value(pair.value, depth + 1) for pair in raw.values}
    return raw
