"""What the processor adds to a span, and what importing it adds to a program."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

from otel_genai_cost import tenant
from otel_genai_cost.metering.activation import attach
from tests.bench.measure import Pair, Result, added, alternate, of_budget, relative

Attributes = Mapping[str, AttributeValue]

_GENAI_START: Final[Attributes] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "server.address": "127.0.0.1",
    "server.port": 8080,
}
_GENAI_END: Final[Attributes] = {
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 80,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.reasoning.output_tokens": 20,
    "openai.response.service_tier": "default",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.max_tokens": 400,
}
_HTTP_START: Final[Attributes] = {f"http.start.{n}": "value" for n in range(5)}
_HTTP_END: Final[Attributes] = {f"http.end.{n}": n for n in range(10)}
_SDK: Final = (
    "opentelemetry.sdk.trace",
    "opentelemetry.sdk._configuration",
    "opentelemetry.instrumentation.instrumentor",
)
_OURS: Final = ("otel_genai_cost.metering.activation", "otel_genai_cost.metering.processor")
_NAME: Final = "chat gpt-4o-mini"
_PEER: Final = "bare span, 15 attributes"
_REQUEST: Final = "bare spans, 15 attributes, in a request"
_SCOPE: Final = "opentelemetry.instrumentation.genai.openai"
_HTTP_SCOPE: Final = "opentelemetry.instrumentation.fastapi"
_CALLS: Final = 20
"""Spans of a request."""

_numbers: Final = count()


def _genai_end() -> Attributes:
    """What a client's instrumentation puts together when the answer is there; each response has an id of its own."""
    return {**_GENAI_END, "gen_ai.response.id": f"chatcmpl-{next(_numbers):020d}"}


def _http_end() -> Attributes:
    return _HTTP_END


def _call(tracer: Tracer, start: Attributes, end: Callable[[], Attributes]) -> Callable[[], object]:
    def call() -> None:
        span = tracer.start_span(_NAME, kind=SpanKind.CLIENT, attributes=start)
        span.set_attributes(end())
        span.end()

    return call


def _current_call(
    tracer: Tracer, start: Attributes, end: Callable[[], Attributes]
) -> Callable[[], object]:
    """As a client's instrumentation makes it, so that what the client calls is below it."""

    def call() -> None:
        with tracer.start_as_current_span(_NAME, kind=SpanKind.CLIENT, attributes=start) as span:
            span.set_attributes(end())

    return call


def _request(
    tracer: Tracer, start: Attributes, end: Callable[[], Attributes]
) -> Callable[[], object]:
    """A customer's request: many spans below one, with the tenant in the context."""
    call = _current_call(tracer, start, end)

    def request() -> None:
        with tenant("acme"), tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER):
            for _ in range(_CALLS):
                call()

    return request


def _providers(journal: Path) -> tuple[TracerProvider, TracerProvider]:
    """A provider with our processor and a bare one; both have the SDK's default sampler and export nothing."""
    metered, bare = TracerProvider(sampler=DEFAULT_ON), TracerProvider(sampler=DEFAULT_ON)
    attach(metered, journal=journal)
    return metered, bare


def spans() -> Iterator[Result]:
    """The processor with its journal, per GenAI span and per span that is none."""
    with tempfile.TemporaryDirectory() as folder:
        metered, bare = _providers(Path(folder))
        for name, call, peer in (
            ("processor and journal, a GenAI span", _call, _PEER),
            ("the same, current while it lasts", _current_call, f"{_PEER}, current"),
        ):
            pair = _pair(metered, bare, _SCOPE, _GENAI_START, _genai_end, call)
            yield added(name, pair, peer, "<= 2.50")
        request = _pair(metered, bare, _SCOPE, _GENAI_START, _genai_end, _request, spans=_CALLS)
        yield added(f"the same, {_CALLS} in a tenant's request", request, _REQUEST, "<= 2.50")
        other = _pair(metered, bare, _HTTP_SCOPE, _HTTP_START, _http_end, _call)
        yield relative("processor, a span that is not GenAI", other, _PEER, "<= 1.05")
        request = _pair(metered, bare, _HTTP_SCOPE, _HTTP_START, _http_end, _request, spans=_CALLS)
        yield relative(f"the same, {_CALLS} in a tenant's request", request, _REQUEST, "<= 1.10")


def _pair(
    metered: TracerProvider,
    bare: TracerProvider,
    scope: str,
    start: Attributes,
    end: Callable[[], Attributes],
    call: Callable[..., Callable[[], object]],
    *,
    spans: int = 1,
) -> Pair:
    """The times of a span, where a call makes so many."""
    ours, theirs = (each.get_tracer(scope, "1.3b0") for each in (metered, bare))
    pair = alternate(
        call(ours, start, end), call(theirs, start, end), calls=400 // spans, rounds=120
    )
    return pair._replace(ours_us=pair.ours_us / spans, theirs_us=pair.theirs_us / spans)


def imports() -> Iterator[Result]:
    """What activation's import adds to a process that has the SDK already; fresh processes, in turn."""
    times = [(_process_ms(*_SDK, *_OURS), _process_ms(*_SDK)) for _ in range(11)]
    extra = statistics.median(one - other for one, other in times)
    bases = sorted(other for _, other in times)
    yield of_budget(
        "import on top of the SDK", extra, 50, "ms", "<= 1.00", bases[-2] / bases[1] - 1
    )


def _process_ms(*modules: str) -> float:
    """CPU time of a fresh interpreter that imports `modules`."""
    code = f"import time, {', '.join(modules)}; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout) * 1000
