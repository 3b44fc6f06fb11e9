"""Where metering hangs in the SDK: what a span starts with is noted, and when it ends, its call is metered, written to
the journal and shown on the span, in that order.

It writes in `_on_ending`, which the SDK calls for every processor before any exporter sees the span. From SDK 1.43 on a
span's attributes are frozen by then, so they are thawed for the write; private names are looked up once and may be
gone, in which case only the journal is written.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.journal.observation import Observation, to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.metering.profiles import Decorate
from otel_genai_cost.metering.recent import Recent
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import Captured, attribution_of, capture
from otel_genai_cost.usage.read import Attributes, Origin, Reading

__all__ = ["CostSpanProcessor"]

_PATH_LIMIT: Final = 64
_NOTE: Final = "_genai_cost_note"
_NO_NOTE: Final[tuple[Captured | None, tuple[int, ...]]] = (None, ())


class _SdkSpan:
    """An SDK span as the meter sees it."""

    __slots__ = (
        "attributes",
        "end_ns",
        "is_error",
        "name",
        "origin",
        "path",
        "sampled",
        "scope_name",
        "scope_version",
        "span_id",
        "start_ns",
        "trace_id",
    )

    def __init__(
        self, span: Span, attributes: Attributes, path: tuple[int, ...], origin: Origin
    ) -> None:
        context = span.context
        scope = span.instrumentation_scope
        self.name = span.name
        self.scope_name = scope.name if scope is not None else ""
        self.scope_version = (scope.version or "") if scope is not None else ""
        self.attributes = attributes
        self.trace_id, self.span_id = context.trace_id, context.span_id
        self.path = path
        self.start_ns, self.end_ns = span.start_time or 0, span.end_time or 0
        self.is_error = span.status.status_code is trace.StatusCode.ERROR
        self.sampled = context.trace_flags.sampled
        self.origin = origin


class CostSpanProcessor(SpanProcessor):
    """Meters every LLM call of a tracer provider. Its hooks never raise and do no I/O but one journal write.

    `counts` holds how many observations were made, how many of them repeat a response, and how many are unpriced, by
    reason. `span_tenant` is the span attribute that names a tenant.
    """

    def __init__(
        self,
        book: Book,
        journal: Journal,
        decorate: Decorate | None,
        *,
        span_tenant: str = names.TENANT_ID,
    ) -> None:
        self._book, self._journal, self._decorate = book, journal, decorate
        self._span_tenant = span_tenant
        self._recent = Recent()
        self._origins: dict[int, tuple[Resource, Origin]] = {}
        self._busy = threading.local()
        self.counts: dict[str, int] = {}

    def forked(self) -> None:
        """In the child: nothing that the parent has counted or seen is the child's."""
        self._recent.forked()
        self._busy = threading.local()
        self.counts = {}

    @guarded("processor.on_start", default=None)
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        captured = capture(parent_context)
        parent = span.parent
        if parent is None:
            if captured is not None:
                span.__dict__[_NOTE] = (captured, ())
            return
        above = trace.get_current_span(parent_context).__dict__.get(_NOTE, _NO_NOTE)[1]
        span.__dict__[_NOTE] = (captured, (parent.span_id, *above[: _PATH_LIMIT - 1]))

    @guarded("processor.on_ending", default=None)
    def _on_ending(self, span: Span) -> None:
        attributes = _plain(span)
        if (
            names.GEN_AI_OPERATION_NAME in attributes
            or names.GEN_AI_REQUEST_MODEL in attributes
            or names.GEN_AI_USAGE_INPUT_TOKENS in attributes
            or names.GEN_AI_USAGE_PROMPT_TOKENS in attributes
            or (self._recent.tenantless and self._gives_tenant(span, attributes))
        ):
            self._meter(span, attributes)

    def shutdown(self) -> None:
        """Nothing: the journal is on disk already, and closing it is for the end of the process."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def _gives_tenant(self, span: Span, attributes: Attributes) -> bool:
        """Whether this span names the tenant of a response below it that has none."""
        if self._span_tenant not in attributes:
            return False
        context = span.context
        return self._recent.wants_tenant(f"{context.trace_id:032x}", f"{context.span_id:016x}")

    def _meter(self, span: Span, attributes: Attributes) -> None:
        if getattr(self._busy, "metering", False):  # a hook further down started a span of its own
            return
        self._busy.metering = True
        try:
            captured, path = span.__dict__.get(_NOTE, _NO_NOTE)
            view = _SdkSpan(span, attributes, path, self._origin(span.resource))
            span_tenant = attributes.get(self._span_tenant)

            def attribute(reading: Reading) -> Attribution:
                return attribution_of(captured, span_tenant, reading.labels)

            for observation in meter(view, self._book, attribute):
                self._keep(span, observation)
        finally:
            self._busy.metering = False

    def _keep(self, span: Span, observation: Observation) -> None:
        first = self._recent.note(observation)
        if first is not None:
            observation = observation._replace(duplicate_of=first)
        self._journal.append(to_record(observation))
        self._count(observation)
        if (
            self._decorate is None
            or not observation.sampled
            or observation.reading.role == "context"
        ):
            return
        shown = self._decorate(observation)
        removed = names.GEN_AI_USAGE_COST if observation.reading.foreign_cost is not None else None
        _write(span, shown, removed)

    def _count(self, observation: Observation) -> None:
        counts, cost = self.counts, observation.cost
        kind = "duplicate" if observation.duplicate_of is not None else cost.reason or "priced"
        counts[kind] = counts.get(kind, 0) + 1

    def _origin(self, resource: Resource) -> Origin:
        known = self._origins.get(id(resource))
        if known is not None:
            return known[1]
        if len(self._origins) >= 16:
            self._origins.clear()
        origin = _origin_of(resource.attributes)
        self._origins[id(resource)] = (resource, origin)
        return origin


def _origin_of(resource: Mapping[str, Any]) -> Origin:
    def text(*keys: str) -> str | None:
        found = (resource.get(key) for key in keys)
        return next((str(value) for value in found if value), None)

    digest = blake2b(repr(sorted(resource.items())).encode(), digest_size=16).hexdigest()
    return Origin(
        text(names.SERVICE_NAME),
        text(names.DEPLOYMENT_ENVIRONMENT, names.DEPLOYMENT_ENVIRONMENT_OLD),
        text(names.HOST_NAME),
        text(names.K8S_POD_NAME),
        text(names.SERVICE_INSTANCE_ID) or digest,
    )


def _plain(span: ReadableSpan) -> Attributes:
    """The dict behind a span's attributes where it can be had: five times faster than the mapping around it."""
    bounded = getattr(span, "_attributes", None)
    plain = getattr(bounded, "_dict", None)
    if plain is not None:
        return plain  # type: ignore[no-any-return]
    return span.attributes or {}


def _write(span: Span, shown: Mapping[str, Any], removed: str | None) -> None:
    """Show attributes on an ending span, as far as this SDK lets us."""
    if (
        span.is_recording()
    ):  # an SDK that lets a span be written while it ends, as the specification wants
        span.set_attributes(shown)
        return
    bounded: Any = getattr(span, "_attributes", None)
    if bounded is None or not hasattr(bounded, "_immutable"):
        return
    frozen = bounded._immutable
    bounded._immutable = False
    try:
        if removed is not None and removed not in shown:
            del bounded[removed]
        for key, value in shown.items():
            bounded[key] = value
    finally:
        bounded._immutable = frozen
