"""The measured program: spans that are no calls of a model, with our processor on their provider or without.

    python spans_program.py SHAPE SETUP FOLDER ROUNDS [counter.so]

SHAPE is one of `SHAPES`, SETUP `ours` or `bare`; FOLDER is where the journal of ours is. It prints the CPU time of a
round in microseconds; with `counter.so` callgrind counts during the rounds. Both providers have the SDK's default
sampler and export nothing.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import SpanKind, Tracer

from otel_genai_cost import attach, tenant

__all__ = ["SHAPES", "SPANS"]

SPANS: Final = 20
"""Of a request."""

_START: Final[Mapping[str, str]] = {f"http.start.{n}": "value" for n in range(5)}
_END: Final[Mapping[str, int]] = {f"http.end.{n}": n for n in range(10)}
_NAME: Final = "GET /items"
_SCOPE: Final = "opentelemetry.instrumentation.fastapi"
_WARM_UP: Final = 20


def _span(tracer: Tracer) -> None:
    span = tracer.start_span(_NAME, kind=SpanKind.CLIENT, attributes=_START)
    span.set_attributes(_END)
    span.end()


def _request(tracer: Tracer) -> None:
    """A customer's request: many spans below one, with the tenant in the context."""
    with tenant("acme"), tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER):
        for _ in range(SPANS):
            with tracer.start_as_current_span(
                _NAME, kind=SpanKind.CLIENT, attributes=_START
            ) as span:
                span.set_attributes(_END)


SHAPES: Final[Mapping[str, Callable[[Tracer], None]]] = {"span": _span, "request": _request}


def main(shape: str, setup: str, folder: str, rounds: str, counter_so: str = "") -> None:
    """Measure, and print the time of a round."""
    provider = TracerProvider(sampler=DEFAULT_ON)
    if setup == "ours":
        attach(provider, journal=Path(folder), registry=Path(folder) / "registry", quiet=True)
    tracer, work = provider.get_tracer(_SCOPE, "0.66b2"), SHAPES[shape]
    counter: Any = ctypes.CDLL(counter_so) if counter_so else None
    for _ in range(_WARM_UP):
        work(tracer)
    if counter is not None:
        counter.start_counting()
    started_s = time.process_time()
    for _ in range(int(rounds)):
        work(tracer)
    took_s = time.process_time() - started_s
    if counter is not None:
        counter.stop_counting()
    print(took_s / int(rounds) * 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
