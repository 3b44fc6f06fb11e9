"""The real client, the real stand-in, a tracer provider that keeps its spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wrapt
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_genai_cost import attach
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.settlement.verdict import Verdict
from otel_genai_cost.tenancy import egress
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.e2e.rig import observations_in


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


class Beside:
    """A metered provider, what it exports and what is charged."""

    def __init__(self, folder: Path) -> None:
        self.recorder, self._journal = Recorder(), folder / "journal"
        attach(
            self.recorder.provider,
            journal=self._journal,
            quiet=True,
            stream_usage_hosts="127.0.0.1",
        )

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.recorder.spans

    @property
    def observations(self) -> list[Observation]:
        return observations_in(self._journal)

    @property
    def charged(self) -> tuple[Verdict, ...]:
        return settle(self.observations).verdicts


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


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    metered = Beside(tmp_path)
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=metered.recorder.provider)
    yield metered
    instrumentor.uninstrument()


@pytest.fixture
def wrap() -> Iterator[Callable[[Any, Any], None]]:
    with pytest.MonkeyPatch.context() as patch:

        def wrapping(owner: Any, wrapper: Any, name: str = "create") -> None:
            patch.setattr(owner, name, wrapt.FunctionWrapper(getattr(owner, name), wrapper))

        yield wrapping
