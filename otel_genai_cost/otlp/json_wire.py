"""OTLP in JSON becomes OTLP in protobuf, and the answer to it JSON again: what comes in JSON takes the same way."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final, cast

from otel_genai_cost.errors import MissingExtraError

__all__ = ["protobuf_of_json", "response_in_json"]

_IDS: Final = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def protobuf_of_json(message: bytes) -> bytes:
    """An ExportTraceServiceRequest in protobuf.

    Fields that this protobuf does not know are left out, as the specification says.

    Args:
        message: The same in JSON, with ids in hex.

    Raises:
        ValueError: if it is none.
        MissingExtraError: without the protobuf library.
    """
    from google.protobuf import json_format

    kind, _ = _messages()
    mapping: Any = json_format
    try:
        read: Any = json.loads(message)
        if not isinstance(read, dict):
            raise ValueError("it is no object")
        read = cast("dict[str, Any]", read)
        _mend_ids(read)
        made = mapping.ParseDict(read, kind(), ignore_unknown_fields=True)
    except RecursionError:
        raise ValueError("values in values in values") from None
    except mapping.Error as error:
        raise ValueError(str(error)) from None
    written: bytes = made.SerializeToString()
    return written


def response_in_json(message: bytes) -> bytes:
    """An ExportTraceServiceResponse in JSON; an empty one for bytes that are none.

    Args:
        message: The same in protobuf.

    Raises:
        MissingExtraError: without the protobuf library.
    """
    from google.protobuf import json_format
    from google.protobuf.message import DecodeError

    _, kind = _messages()
    mapping: Any = json_format
    try:
        written: str = mapping.MessageToJson(kind.FromString(message), indent=None)
    except DecodeError:
        return b"{}"
    return written.encode()


def _messages() -> tuple[Any, Any]:
    try:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
    except ImportError:
        raise MissingExtraError("reading OTLP protobuf", "opentelemetry-proto", "otlp") from None
    return service.ExportTraceServiceRequest, service.ExportTraceServiceResponse


def _mend_ids(message: dict[str, Any]) -> None:
    """Protobuf's own JSON has bytes in base64, OTLP's has ids in hex."""
    for span in _spans(message):
        for holder in (span, *_objects(span, "links", "links")):
            for name in _IDS:
                value = holder.get(name)
                if isinstance(value, str):
                    holder[name] = b64encode(bytes.fromhex(value)).decode()


def _spans(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for block in _objects(message, "resourceSpans", "resource_spans"):
        for part in _objects(block, "scopeSpans", "scope_spans"):
            yield from _objects(part, "spans", "spans")


def _objects(holder: dict[str, Any], camel: str, snake: str) -> list[dict[str, Any]]:
    found = holder.get(camel, holder.get(snake))
    if not isinstance(found, list):
        return []
    return [
        cast("dict[str, Any]", one) for one in cast("list[object]", found) if isinstance(one, dict)
    ]
