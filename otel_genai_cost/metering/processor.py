"""Where metering hangs in the SDK: what a span starts with is noted, and when it ends, its call is metered, written to
the journal and shown on the span, in that order.

It writes in `_on_ending`, which the SDK calls for every processor before any exporter sees the span. From SDK 1.43 on a
span's attributes are frozen by then, so they are written behind the freeze; private names are looked up as they are
needed and may be gone, in which case only the journal is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import isfinite
from typing import Any, Final, NamedTuple, TypeAlias

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import propagation

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.journal.observation import Observation, to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.beside import (
    Besides,
    complete,
    completion_of,
    disown,
    repeating,
    without_disowned,
)
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.call_sites import call_site
from otel_genai_cost.metering.config import Starts
from otel_genai_cost.metering.decorating import show
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.metering.origin import Source, origin_of
from otel_genai_cost.metering.profiles import Decorator
from otel_genai_cost.metering.recent import Recent
from otel_genai_cost.pricing.book import NO_BOOK, Book
from otel_genai_cost.pricing.cost import unpriced
from otel_genai_cost.shared_calls import began, watched
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import Captured, attribution_of, capture
from otel_genai_cost.tenancy.inbound import enter, inherit
from otel_genai_cost.usage.leaves import NO_USAGE
from otel_genai_cost.usage.read import Attributes, Origin, Reading
from otel_genai_cost.usage.scopes import dialect_of, is_genai

__all__ = ["CostSpanProcessor"]

_PATH_LIMIT: Final = 64
_NOTE: Final = "_genai_cost_note"
_Note: TypeAlias = "tuple[Captured | None, tuple[int, ...], str | None]"
_NO_NOTE: Final[_Note] = (None, (), None)
"""What a span keeps from its start: what its context said of a tenant, its ancestors' ids, nearest first, and the place
in the code of a call whose tenant did not hold. Neither a span nor a context, so that a chain of spans is not kept
alive."""

_STARTED: Final = "_genai_cost_started"
"""A call whose start is in the journal keeps what was written, so that it can be withdrawn if it was none."""

_RESOURCES_MAX: Final = 16
_SCOPES_MAX: Final = 1_024
_STREAM: Final = names.GEN_AI_REQUEST_STREAM
_OPERATION: Final = names.GEN_AI_OPERATION_NAME
_MODEL: Final = names.GEN_AI_REQUEST_MODEL
_INPUT_TOKENS: Final = names.GEN_AI_USAGE_INPUT_TOKENS
_OUTPUT_TOKENS: Final = names.GEN_AI_USAGE_OUTPUT_TOKENS
_PROMPT_TOKENS: Final = names.GEN_AI_USAGE_PROMPT_TOKENS
_COMPLETION_TOKENS: Final = names.GEN_AI_USAGE_COMPLETION_TOKENS
"""One of them is on every LLM span; looked for on every span, so each is a global of its own."""

_ERROR: Final = trace.StatusCode.ERROR
_SERVER: Final = trace.SpanKind.SERVER
_SAMPLED: Final = int(trace.TraceFlags.SAMPLED)
_WRAPPERS: Final = frozenset({"context", "cumulative"})
"""Roles that have no cost of their own to show."""

_UNPRICED: Final = CallProfiles(NO_BOOK)
"""Of calls that only begin."""

_UNFINISHED: Final = unpriced("unfinished")
_NO_CALL: Final = unpriced("missing_usage")

_runtime: Any = getattr(context, "_RUNTIME_CONTEXT", None)
_get_current: Callable[[], Context] = getattr(
    getattr(_runtime, "_current_context", None), "get", context.get_current
)
"""The variable itself, where there is one, because it is asked for every span."""

_SPAN_KEY: Final[str | None] = getattr(propagation, "_SPAN_KEY", None)
"""The key of the current span, where it has its name: asking for it through the API takes a quarter of a start."""


class _SdkSpan(NamedTuple):
    """An SDK span as the meter sees it."""

    name: str
    scope_name: str
    scope_version: str
    attributes: Attributes
    trace_id: int
    span_id: int
    path: tuple[int, ...]
    start_ns: int
    end_ns: int
    is_error: bool
    sampled: bool
    origin: Origin


_new_view: Callable[..., _SdkSpan] = tuple.__new__  # pyright: ignore -- tuple's own type has no parameter here
"""Twice as fast as calling the class, which would only pass its arguments on to this."""


class CostSpanProcessor(SpanProcessor):
    """Meters every LLM call of a tracer provider. Its hooks never raise and do no I/O but one journal write.

    A span that ends while another is metered on the same thread, in a finalizer that the garbage collector runs, is a
    call like any other: nothing here holds a lock or ends a span, so it is metered at once.

    `counts` holds how many observations were made, by `priced`, `duplicate` or the reason they are not priced.
    `span_tenant` is the span attribute that names a tenant; without it, what the span's dialect takes for one. User,
    session and conversation ids are kept only if `personal`. `starts` says of which calls the beginning is journalled,
    so that one whose process is killed is known of.
    """

    def __init__(
        self,
        book: Book,
        journal: Journal,
        decorate: Decorator | None,
        *,
        span_tenant: str = names.TENANT_ID,
        personal: bool = False,
        starts: Starts = "streams",
    ) -> None:
        self._journal, self._decorate = journal, decorate
        self._span_tenant, self._personal = span_tenant, personal
        self._starts = starts
        self.use(book)
        self._recent = Recent()
        self._sources: dict[int, Source] = {}
        self._without_words: dict[int, InstrumentationScope | None] = {}
        self._besides = Besides(self)
        journal.on_fork = self.forked
        self.counts: defaultdict[str, int] = defaultdict(int)

    def use(self, book: Book) -> None:
        """Price with another book from now on; a call that is being metered keeps the one it began with."""
        self._profiles = CallProfiles(book)

    def forked(self) -> None:
        """In the child: nothing that the parent has counted or seen is the child's."""
        self._recent.forked()
        self.counts = defaultdict(int)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called for every span: one without a parent and without baggage costs a look."""
        current = _get_current() if parent_context is None else parent_context
        if current or span.kind is _SERVER:
            self._note(span, current)
        if watched:
            self._note_shared(span)
        try:
            attributes: Attributes = span._attributes._dict  # type: ignore[union-attr] # pyright: ignore
        except AttributeError:
            attributes = span.attributes or {}
        if (_STREAM in attributes and attributes[_STREAM] is True and self._starts != "off") or (
            self._starts == "all" and (_OPERATION in attributes or _MODEL in attributes)
        ):
            self._begin(span, attributes)

    @guarded("processor.on_start", default=None)
    def _begin(self, span: Span, attributes: Attributes) -> None:
        """Write down that a call has begun, under the id that its observation will have."""
        start_ns = _whole(span.start_time)
        for observation in self._metered(span, attributes, start_ns, _UNPRICED):
            if observation.reading.role == "response" and observation.reading.usage is NO_USAGE:
                begun = observation._replace(cost=_UNFINISHED)
                self._journal.append({"type": "start", **to_record(begun)})
                setattr(span, _STARTED, begun)

    @guarded("processor.on_start", default=None)
    def _note(self, span: Span, current: Context) -> None:
        parent = span.parent
        if parent is None or parent.is_remote:
            scope = span.instrumentation_scope
            inbound = enter(current, span.kind, span, scope.name if scope is not None else "")
        else:
            inbound = inherit(current, span)
        captured = capture(current, span.start_time, inbound)
        if parent is not None:
            over = current.get(_SPAN_KEY) if _SPAN_KEY else trace.get_current_span(current)
            _, above, _ = getattr(over, _NOTE, _NO_NOTE)
            path = (parent[1],) + above  # noqa: RUF005 -- unpacking takes twice as long
            path = path if len(path) <= _PATH_LIMIT else path[:_PATH_LIMIT]
            setattr(span, _NOTE, (captured, path, _site_of(span, captured)))
        elif captured is not None:
            setattr(span, _NOTE, (captured, (), _site_of(span, captured)))

    @guarded("processor.shared_call", default=None)
    def _note_shared(self, span: Span) -> None:
        scope = span.instrumentation_scope
        if scope is not None and scope.name in watched:
            began(span, self._besides.start)

    def _on_ending(self, span: Span) -> None:
        """Called for every span: one that is no LLM call costs a few looks."""
        try:
            scope = span._instrumentation_scope  # pyright: ignore[reportPrivateUsage]
            attributes: Attributes = span._attributes._dict  # type: ignore[union-attr] # pyright: ignore
        except AttributeError:
            scope, attributes = span.instrumentation_scope, span.attributes or {}
        if (
            _OPERATION in attributes
            or _MODEL in attributes
            or _INPUT_TOKENS in attributes
            or _OUTPUT_TOKENS in attributes
            or _PROMPT_TOKENS in attributes
            or _COMPLETION_TOKENS in attributes
            or (
                self._without_words.get(id(scope), span) is not scope and self._is_recognised(scope)
            )
            or (self._span_tenant in attributes and self._gives_tenant(span))
        ):
            self._meter(span, attributes)

    def shutdown(self) -> None:
        """Nothing: the journal is on disk already, and closing it is for the end of the process."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def _is_recognised(self, scope: InstrumentationScope | None) -> bool:
        """Whether the scope is of an instrumentation that has words of its own for calls of models."""
        name: object = None if scope is None else scope.name
        recognised = type(name) is str and dialect_of(name, "").recognised
        if not recognised:
            if len(self._without_words) >= _SCOPES_MAX:
                self._without_words.clear()
            self._without_words[id(scope)] = scope
        return recognised

    def _gives_tenant(self, span: Span) -> bool:
        """Whether this span, which names a tenant, stands above a response that has none."""
        if not self._recent.tenantless:
            return False
        ids = span.get_span_context()
        return self._recent.wants_tenant(f"{ids.trace_id:032x}", f"{ids.span_id:016x}")

    @guarded("processor.on_ending", default=None)
    def _meter(self, span: Span, attributes: Attributes) -> None:
        """Meter a call, journal what was observed, and show it on the span."""
        observations = self._metered(span, attributes, _whole(span.end_time), self._profiles)
        if not observations:
            disown(span)
        begun: Observation | None = getattr(span, _STARTED, None)
        for observation in observations:
            self._keep(span, observation)
        if begun is not None and begun.id not in {one.id for one in observations}:
            self._journal.append(to_record(_withdrawn(begun, span)))

    def _metered(
        self, span: Span, attributes: Attributes, end_ns: int, profiles: CallProfiles
    ) -> tuple[Observation, ...]:
        """What the span tells by then."""
        captured, path, site = getattr(span, _NOTE, _NO_NOTE)
        source = self._source(span.resource)
        attributes = self._told(span, attributes)
        span_tenant = attributes.get(names.TENANT_ID)

        def attribute(reading: Reading) -> Attribution:
            tenant = reading.tenant if span_tenant is None else span_tenant
            return attribution_of(captured, tenant, reading.labels, source.tenant)

        view = _view(span, attributes, path, source.origin, end_ns)
        found = meter(view, profiles, attribute, personal=self._personal)
        found = without_disowned(span, found)
        return found if site is None else tuple(one._replace(call_site=site) for one in found)

    def _told(self, span: Span, attributes: Attributes) -> Attributes:
        """What the span says: its tenant under the name that dialects know, and no text that a limit on its length may
        have cut, because half a model's or a tenant's name is the name of another."""
        limit: int | None = getattr(getattr(span, "_attributes", None), "max_value_len", None)
        if limit is not None:
            attributes = {
                key: value
                for key, value in attributes.items()
                if not (isinstance(value, str) and len(value) >= limit)
            }
        if self._span_tenant != names.TENANT_ID:
            attributes = {**attributes, names.TENANT_ID: attributes.get(self._span_tenant)}
        return attributes

    def _keep(self, span: Span, observation: Observation) -> None:
        first = self._recent.note(observation)
        ours = completion_of(span)
        if ours is not None:
            first, observation = ours.id, repeating(observation)
        if first is not None:
            observation = observation._replace(duplicate_of=first)
        self._journal.append(to_record(observation))
        complete(span, observation)
        reading, cost = observation.reading, observation.cost
        self.counts["duplicate" if first is not None else cost.reason or cost.status] += 1
        if self._decorate is not None and observation.sampled and reading.role not in _WRAPPERS:
            foreign_cost, tenant = reading.foreign_cost, observation.attribution.tenant
            told, again = (observation, first) if ours is None else (ours, None)
            shown = self._decorate(told.id, again, told.cost, tenant, foreign_cost)
            show(span, shown, foreign_cost is not None)

    def _source(self, resource: Resource) -> Source:
        known = self._sources.get(id(resource))
        if known is not None and known.resource is resource:
            return known
        if len(self._sources) >= _RESOURCES_MAX:
            self._sources.clear()
        attributes = resource.attributes
        found = Source(resource, origin_of(attributes), attributes.get(names.TENANT_ID))
        self._sources[id(resource)] = found
        return found


def _site_of(span: Span, captured: Captured | None) -> str | None:
    """The place in the code of a starting call whose tenant does not hold any more."""
    if captured is None or not captured.is_stale or not is_genai(span.name, span.attributes):
        return None
    return call_site()


def _withdrawn(begun: Observation, span: Span) -> Observation:
    """That what began was no call: the ledger waits for nothing, and charges nothing."""
    reading = begun.reading._replace(role="context")
    end_us = _whole(span.end_time) // 1000
    return begun._replace(reading=reading, cost=_NO_CALL, end_us=max(end_us, begun.start_us))


def _view(
    span: Span, attributes: Attributes, path: tuple[int, ...], origin: Origin, end_ns: int
) -> _SdkSpan:
    ids = span.get_span_context()
    scope = span.instrumentation_scope
    return _new_view(
        _SdkSpan,
        (
            span.name,
            scope.name if scope is not None else "",
            (scope.version or "") if scope is not None else "",
            attributes,
            ids.trace_id,
            ids.span_id,
            path,
            _whole(span.start_time),
            end_ns,
            span.status.status_code is _ERROR,
            ids.trace_flags & _SAMPLED != 0,
            origin,
        ),
    )


def _whole(time_ns: object) -> int:
    """A time that an application set itself, and not as an int."""
    if type(time_ns) is int:
        return time_ns
    return int(time_ns) if isinstance(time_ns, (int, float)) and isfinite(time_ns) else 0
