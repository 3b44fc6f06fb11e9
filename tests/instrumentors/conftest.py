"""The real client, the real stand-in, a tracer provider that keeps its spans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_genai_cost.tenancy import egress
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor


class Recorder:
    """Finished spans of an instrumented client, oldest first."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def only(self) -> dict[str, Any]:
        """The attributes of the one span there is."""
        (span,) = self.spans
        return dict(span.attributes or {})


@pytest.fixture(scope="session")
def standin() -> Iterator[OpenAIStandIn]:
    with OpenAIStandIn() as running:
        yield running


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=recorder.provider)
    yield recorder
    instrumentor.uninstrument()


@pytest.fixture
def asked() -> Iterator[None]:
    """The stand-in's host is one of those that are asked for the usage of a stream."""
    egress.configure((), ("127.0.0.1",))
    yield
    egress.configure(())
