"""What the processor adds to a span that is no call of a model, and what importing it adds to a program."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

from otel_genai_cost import tenant
from otel_genai_cost.metering.activation import attach
from tests.bench.measure import Result, alternate, of_budget, relative

Attributes = Mapping[str, AttributeValue]

_START: Final[Attributes] = {f"http.start.{n}": "value" for n in range(5)}
_END: Final[Attributes] = {f"http.end.{n}": n for n in range(10)}
_SDK: Final = (
    "opentelemetry.sdk.trace",
    "opentelemetry.sdk._configuration",
    "opentelemetry.instrumentation.instrumentor",
)
_OURS: Final = ("otel_genai_cost.metering.activation", "otel_genai_cost.metering.processor")
_NAME: Final = "GET /items"
_PEER: Final = "bare span, 15 attributes"
_SCOPE: Final = "opentelemetry.instrumentation.fastapi"
_SPANS: Final = 20
"""Of a request."""

_ROUNDS: Final = 120


def _call(tracer: Tracer) -> None:
    span = tracer.start_span(_NAME, kind=SpanKind.CLIENT, attributes=_START)
    span.set_attributes(_END)
    span.end()


def _request(tracer: Tracer) -> None:
    """A customer's request: many spans below one, with the tenant in the context."""
    with tenant("acme"), tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER):
        for _ in range(_SPANS):
            with tracer.start_as_current_span(
                _NAME, kind=SpanKind.CLIENT, attributes=_START
            ) as span:
                span.set_attributes(_END)


def spans() -> Iterator[Result]:
    """The processor, per span that is no call of a model. Both providers have the SDK's default sampler and export
    nothing."""
    with tempfile.TemporaryDirectory() as folder:
        metered, bare = TracerProvider(sampler=DEFAULT_ON), TracerProvider(sampler=DEFAULT_ON)
        attach(metered, journal=Path(folder), quiet=True)
        ours, theirs = (each.get_tracer(_SCOPE, "0.66b2") for each in (metered, bare))
        pair = alternate(lambda: _call(ours), lambda: _call(theirs), calls=400, rounds=_ROUNDS)
        yield relative("processor, a span that is not GenAI", pair, _PEER, "<= 1.05")
        pair = alternate(lambda: _request(ours), lambda: _request(theirs), calls=20, rounds=_ROUNDS)
        name = f"{_SPANS} such spans in a tenant's request"
        yield relative(name, pair, f"the same, of a {_PEER}", "<= 1.10")


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
