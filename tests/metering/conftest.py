"""A tracer provider that is metered, what it exported, and what its journal holds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import Tracer

from otel_genai_cost import errors
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.journal.record import from_record
from otel_genai_cost.metering.activation import attach
from otel_genai_cost.metering.processor import CostSpanProcessor

SCOPE = "opentelemetry.instrumentation.genai.openai"
CALL: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}
CALL_COST = "0.00021"
"""1,000 x 0.15 + 100 x 0.60 dollars a million: https://openai.com/api/pricing, gpt-4o-mini."""


class Metered:
    """One metered provider. `exporter_first` registers the exporter before our processor."""

    def __init__(
        self,
        folder: Path,
        *,
        sampler: Sampler = ALWAYS_ON,
        exporter_first: bool = True,
        provider: TracerProvider | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.exporter = InMemorySpanExporter()
        self.provider = provider or TracerProvider(sampler=sampler)
        if exporter_first:
            self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        processor = attach(self.provider, journal=folder, quiet=True, **settings)
        assert processor is not None
        self.processor: CostSpanProcessor = processor
        if not exporter_first:
            self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def tracer(self, scope: str = SCOPE, version: str = "1.3b0") -> Tracer:
        return self.provider.get_tracer(scope, version)

    def call(self, *, parent: Any = None, **attributes: Any) -> None:
        """A chat of gpt-4o-mini, with `gen_ai__usage__…` for a dotted attribute; None leaves one out."""
        given = {name.replace("__", "."): value for name, value in attributes.items()}
        wanted = {key: value for key, value in {**CALL, **given}.items() if value is not None}
        self.tracer().start_span("chat gpt-4o-mini", context=parent, attributes=wanted).end()

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def shown(self) -> dict[str, Any]:
        """The attributes of the one span that was exported."""
        [span] = self.spans
        return dict(span.attributes or {})

    @property
    def journalled(self) -> list[Observation]:
        return [from_record(record) for record in self.records if "type" not in record]

    @property
    def started(self) -> list[Observation]:
        """Calls whose start is in the journal."""
        return [from_record(record) for record in self.records if record.get("type") == "start"]

    @property
    def records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for segment in segments(self.folder):
            batch = read(segment)
            assert batch.damage == []
            found += batch.records
        return found


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Metered]:
    """Metered providers, each with its own journal folder."""
    errors.failures.clear()
    made = count()

    def build(**settings: Any) -> Metered:
        return Metered(tmp_path / f"journal{next(made)}", **settings)

    return build


@pytest.fixture
def metered(make: Callable[..., Metered]) -> Metered:
    return make()
