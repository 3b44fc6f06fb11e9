"""The span of a call: one of our own, or, where another instrumentation's span of the call is metered, one that only
completes what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, TracerProvider

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.metering.sdk_span import set_attributes
from otel_genai_cost.shared_calls import Start, any_noted, is_beside, take
from otel_genai_cost.versions import own_version

__all__ = ["CallTracer", "set_attributes", "shown"]


class CallTracer:
    """Starts the spans of a library's calls."""

    def __init__(self, library: str, tracer_provider: TracerProvider | None = None) -> None:
        self._scope = f"otel_genai_instrumentors.{library}"
        self._version = own_version() or ""
        self._tracer = trace.get_tracer(self._scope, self._version, tracer_provider=tracer_provider)

    def start_span(
        self, name: str, attributes: Mapping[str, Any], current: Context | None = None
    ) -> Span:
        """The span of a call that begins now.

        Args:
            name: the span's.
            attributes: what it starts with.
            current: the current context, if it is at hand: the SDK asks four times for one that it is not given.
        """
        beside = self._beside(name, attributes) if any_noted else None
        if beside is not None:
            return beside
        return self._tracer.start_span(name, current, SpanKind.CLIENT, attributes)

    def start_own_span(self, name: str, *, attributes: Mapping[str, Any]) -> Span:
        """A span of ours, whoever else may have one open."""
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    @guarded("instrumentor.beside", default=None)
    def _beside(self, name: str, attributes: Mapping[str, Any]) -> Span | None:
        start = take(attributes.get(names.GEN_AI_REQUEST_MODEL))
        return start and start(Start(self._scope, self._version, name, attributes))


def shown(span: Span) -> Span:
    """The span that is to be current while the call runs: one that nobody sees has nothing below it."""
    return trace.get_current_span() if is_beside(span) else span
