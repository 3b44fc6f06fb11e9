"""An OTLP export request in JSON becomes spans that the meter can read.

It is read as the OTLP specification writes it and as protobuf's own JSON mapping does: ids in hex or base64, 64-bit
integers as text or numbers, enums by number or name, keys in camel or snake case. What is no span is left out and
counted.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from otel_genai_cost.metering.origin import origin_of
from otel_genai_cost.otlp.head_sampling import threshold_of
from otel_genai_cost.otlp.span import DEPTH_LIMIT, Group, Request, WireSpan
from otel_genai_cost.usage.read import Attributes

__all__ = ["json_request"]

_INT64_MAX: Final = (1 << 63) - 1
_TIME_MAX: Final = (1 << 64) - 1
_ERROR: Final = frozenset({2, "2", "STATUS_CODE_ERROR"})
_JSON: TypeAlias = Mapping[str, Any]


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


def _json_spans(message: _JSON) -> Iterator[tuple[Group, _JSON]]:
    for block in _objects(message, "resourceSpans", "resource_spans"):
        resource = _json_attributes(_object(block, "resource", "resource"))
        origin = origin_of(resource)
        for part in _objects(block, "scopeSpans", "scope_spans"):
            scope = _object(part, "scope", "scope")
            name, version = _text(scope.get("name")), _text(scope.get("version"))
            group = Group(resource, origin, name, version)
            for span in _objects(part, "spans", "spans"):
                yield group, span


def _json_span(group: Group, span: _JSON) -> WireSpan | None:
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
        threshold=threshold_of(_text(get("traceState", "trace_state"))),
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
        if kind in ("arrayValue", "array_value") and depth < DEPTH_LIMIT:
            held = cast("_JSON", raw if isinstance(raw, dict) else {})
            return tuple([_json_value(one, depth + 1) for one in _objects(held, "values", "")])
        if kind in ("kvlistValue", "kvlist_value") and depth < DEPTH_LIMIT:
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
