"""Real clients, the real stand-in, a real processor and journal, and a gate that answers as it is told."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_genai_cost import admission, attach, blocks
from otel_genai_cost.errors import failures
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.e2e.rig import observations_in
from tests.gated.scripted_gate import ScriptedGate


class Application:
    """An application that is metered and asks a gate."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self._exporter, self._seen = InMemorySpanExporter(), 0
        self.provider = TracerProvider()

    def ask(self, url: str, **options: Any) -> None:
        """Set up the gate."""
        attach(self.provider, journal=self.journal, quiet=True, gate=url, **options)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @contextmanager
    def instrumenting(self, instrumentor: type[ClientInstrumentor]) -> Generator[None]:
        """A client is instrumented."""
        made = instrumentor()
        made.instrument(tracer_provider=self.provider)
        try:
            yield
        finally:
            made.uninstrument()

    def has_ended(self, calls: int) -> bool:
        """Whether so many calls have; a stream may be held by a thread of its client's for a moment longer."""
        gc.collect()
        drain()
        return len(self.spans) >= calls

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    @property
    def only(self) -> dict[str, Any]:
        """The attributes of the one span there is."""
        (span,) = self.spans
        return dict(span.attributes or {})

    @property
    def observations(self) -> list[Observation]:
        """Without what is no call, such as the withdrawn start of a stream."""
        found = observations_in(self.journal)[self._seen :]
        return [one for one in found if one.role != "context"]

    def again(self) -> None:
        """Nothing has happened yet."""
        self._exporter.clear()
        self._seen = len(observations_in(self.journal))


def wait_for(found: Callable[[], Any], within_s: float = 5) -> Any:
    """What is found once it is there."""
    ends_s = time.monotonic() + within_s
    while not (value := found()) and time.monotonic() < ends_s:
        time.sleep(0.005)
    return value


@pytest.fixture
def gate() -> Iterator[ScriptedGate]:
    with ScriptedGate() as running:
        yield running


@pytest.fixture(scope="session")
def providers() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture
def standin(providers: StandIn) -> StandIn:
    providers.reset()
    return providers


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    before = dict(failures)
    yield Application(tmp_path)
    admission.configure(None)
    admission.counts.clear()
    blocks.on_block(None)
    assert failures == before, "nothing of ours failed"
