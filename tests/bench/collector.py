"""The hop's work on a request, beside the same by protobuf's own library: reading, pricing, journalling, writing."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.pricing.load import load_book
from tests.bench.measure import Result, alternate, times_faster
from tests.replay.otlp import SCOPE, START_NS

_SPANS: Final = 512
_REQUESTS: Final = 12
_GOALS: Final = {0: ">= 10", 10: ">= 2.5", 100: ">= 1.5"}
"""By how many of a hundred spans are calls."""

_MODELS: Final = ("gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14", "o4-mini-2025-04-16")


def collector() -> Iterator[Result]:
    """Requests of 512 spans, calls among others as services send them."""
    for share, goal in _GOALS.items():
        draw = random.Random(share)
        sent = [_request(draw, share) for _ in range(_REQUESTS)]
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = (_hop(Path(folder, name)) for name in ("ours", "theirs"))
            pair = alternate(
                _next(ours.passed_on, sent),
                _next(theirs._by_protobuf, sent),
                calls=4,
                rounds=12,
            )
        name = f"a request of {_SPANS} spans, {share} % calls"
        yield times_faster(name, pair, "by protobuf", goal)._replace(is_bound=False)


def _hop(folder: Path) -> Hop:
    return Hop(load_book(), Journal([folder]), decorator(()))


def _next(work: Callable[[bytes], object], sent: list[bytes]) -> Callable[[], object]:
    turns = cycle(sent)
    return lambda: work(next(turns))


def _request(draw: random.Random, share: int) -> bytes:
    request: Any = trace_service_pb2.ExportTraceServiceRequest()
    calls = {*draw.sample(range(_SPANS), _SPANS * share // 100)}
    for service in range(4):
        block = request.resource_spans.add()
        _put(
            block.resource, {"service.name": f"shop-{service}", "k8s.pod.name": f"shop-{service}-x"}
        )
        parts = [block.scope_spans.add() for _ in range(2)]
        parts[0].scope.name, parts[1].scope.name = "opentelemetry.instrumentation.fastapi", SCOPE
        for place in range(service, _SPANS, 4):
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
    model, tokens = draw.choice(_MODELS), draw.randrange(200, 20_000)
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
