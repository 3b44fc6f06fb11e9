"""Export requests as services send them: calls among requests of pages, mixed in every batch."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tests.replay.otlp import SCOPE, START_NS

__all__ = ["MODELS", "export_request"]

MODELS: Final = ("gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14", "o4-mini-2025-04-16")


def export_request(draw: random.Random, spans: int, share: int) -> bytes:
    """A request of four services.

    Args:
        draw: Decides what varies.
        spans: How many it has.
        share: How many of a hundred are calls.
    """
    request: Any = trace_service_pb2.ExportTraceServiceRequest()
    calls = {*draw.sample(range(spans), spans * share // 100)}
    for service in range(4):
        block = request.resource_spans.add()
        _put(
            block.resource, {"service.name": f"shop-{service}", "k8s.pod.name": f"shop-{service}-x"}
        )
        parts = [block.scope_spans.add() for _ in range(2)]
        parts[0].scope.name, parts[1].scope.name = "opentelemetry.instrumentation.fastapi", SCOPE
        parts[0].scope.version, parts[1].scope.version = "0.66b2", "1.3b0"
        for place in range(service, spans, 4):
            part = parts[1 if place in calls else 0]
            _add_span(part.spans.add(), draw, is_call=place in calls)
    written: bytes = request.SerializeToString()
    return written


def _add_span(span: Any, draw: random.Random, *, is_call: bool) -> None:
    span.trace_id, span.span_id, span.parent_span_id = map(draw.randbytes, (16, 8, 8))
    span.start_time_unix_nano = START_NS + draw.randrange(10**9)
    span.end_time_unix_nano = span.start_time_unix_nano + draw.randrange(10**9)
    span.flags = 257
    if is_call:
        span.kind, span.name = 3, "chat"
        _put(span, _call(draw))
    else:
        span.kind, span.name = 2, "GET /orders/{id}"
        _put(span, _page(draw))


def _call(draw: random.Random) -> Mapping[str, object]:
    model, tokens = draw.choice(MODELS), draw.randrange(200, 20_000)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": f"chatcmpl-{draw.getrandbits(96):024x}",
        "gen_ai.request.max_tokens": 4096,
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": draw.randrange(10, 2_000),
        "gen_ai.usage.cache_read.input_tokens": tokens // 3,
        "server.address": "api.openai.com",
        "server.port": 443,
        "tenant.id": f"tenant-{draw.randrange(300)}",
    }


def _page(draw: random.Random) -> Mapping[str, object]:
    return {
        "http.request.method": "GET",
        "http.route": "/orders/{id}",
        "http.response.status_code": 200,
        "url.scheme": "https",
        "url.path": f"/orders/{draw.randrange(10**6)}",
        "server.address": "shop.internal",
        "client.address": f"10.0.0.{draw.randrange(255)}",
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        "network.protocol.version": "1.1",
    }


def _put(holder: Any, attributes: Mapping[str, object]) -> None:
    for name, value in attributes.items():
        pair = holder.attributes.add(key=name)
        if isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.string_value = value
