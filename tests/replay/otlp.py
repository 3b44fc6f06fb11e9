"""OTLP export requests of the tests' own making, in JSON as the collector's file exporter writes it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

SCOPE: Final = "opentelemetry.instrumentation.genai.openai"
START_NS: Final = 1_795_322_557_000_000_000
_IDS: Final = ("traceId", "spanId", "parentSpanId")
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"


def value(told: object) -> dict[str, Any]:
    """An AnyValue."""
    if isinstance(told, bool):
        return {"boolValue": told}
    if isinstance(told, int):
        return {"intValue": str(told)}
    if isinstance(told, float):
        return {"doubleValue": told}
    if isinstance(told, Sequence) and not isinstance(told, str):
        return {"arrayValue": {"values": [value(one) for one in told]}}
    return {"stringValue": told}


def pairs(attributes: Mapping[str, object]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(told)} for key, told in attributes.items()]


def span(
    span_id: int,
    attributes: Mapping[str, object],
    *,
    parent: int | None = None,
    trace_id: str = TRACE,
    start_s: int = 0,
    end_s: int = 1,
) -> dict[str, Any]:
    return {
        "name": "chat gpt-4o-mini",
        "traceId": trace_id,
        "spanId": f"{span_id:016x}",
        "parentSpanId": "" if parent is None else f"{parent:016x}",
        "startTimeUnixNano": str(START_NS + start_s * 10**9),
        "endTimeUnixNano": str(START_NS + end_s * 10**9),
        "attributes": pairs(attributes),
        "status": {},
    }


def request(
    *spans: Mapping[str, Any], scope: str = SCOPE, resource: Mapping[str, object] | None = None
) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs(resource or {"service.name": "shop"})},
                "scopeSpans": [{"scope": {"name": scope, "version": "1.3b0"}, "spans": [*spans]}],
            }
        ]
    }


def chat(input_tokens: int = 1200, output_tokens: int = 80, **more: object) -> dict[str, object]:
    """The attributes of a chat call; keywords are attribute names with `__` for a dot."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
        **{key.replace("__", "."): told for key, told in more.items()},
    }


def protobuf(message: Mapping[str, Any]) -> Any:
    """The same request in protobuf; its own JSON mapping has ids in base64."""
    mapped: Any = json_format
    return mapped.Parse(
        json.dumps(_with_base64_ids(message)), trace_service_pb2.ExportTraceServiceRequest()
    )


def _with_base64_ids(message: Any) -> Any:
    if isinstance(message, dict):
        return {
            key: b64encode(bytes.fromhex(one)).decode() if key in _IDS else _with_base64_ids(one)
            for key, one in message.items()
        }
    return [_with_base64_ids(one) for one in message] if isinstance(message, list) else message
