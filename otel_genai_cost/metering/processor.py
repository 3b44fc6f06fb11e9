"""The way of a span, from the SDK's hooks to the journal and back onto the span. It only goes down:

    on_start     note (`note`) and, of calls that stream, journal the beginning (`starts`)
    _on_ending   recognise a call by its words or its scope, else let the span go
                 view what there is to read (`ended_span`), whose it is (`origin`, `tenancy.binding`)
                 meter it (`meter`, `call_profile`)
                 keep it: seen before? (`recent`, `beside`), then journal it
                 show what it cost on the span (`profiles`, `sdk_span`)

It shows in `_on_ending`, which the SDK calls for every processor before any exporter sees the span.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor

from otel_genai_cost import attributes as names
from otel_genai_cost.admission import Who
from otel_genai_cost.errors import guarded
from otel_genai_cost.identity_cache import IdentityCache
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import line_of, to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.beside import (
    Besides,
    complete,
    completion_of,
    disown,
    known_beside,
    repeating,
)
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.call_sites import call_site
from otel_genai_cost.metering.ended_span import view_of, whole_ns, whole_texts
from otel_genai_cost.metering.journal_options import Starts
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.metering.note import note_of, note_start
from otel_genai_cost.metering.origin import Source, source_of
from otel_genai_cost.metering.profiles import COSTLESS, Decorator
from otel_genai_cost.metering.recent import Recent
from otel_genai_cost.metering.sdk_span import attributes_of, write
from otel_genai_cost.metering.starts import begins, begun_call, keep_start, withdrawn_start
from otel_genai_cost.pricing.book import NO_BOOK, Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.shared_calls import any_noted, began, watched
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of
from otel_genai_cost.tenancy.refusals import Refused, not_counted, refuse
from otel_genai_cost.usage.read import Attributes, Reading
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["CostSpanProcessor"]

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

_SERVER: Final = trace.SpanKind.SERVER
_UNPRICED: Final = CallProfiles(NO_BOOK)
"""Of calls that only begin."""


class CostSpanProcessor(SpanProcessor):
    """Meters every LLM call of a tracer provider. Its hooks never raise and do no I/O but one journal write.

    A span that ends while another is metered on the same thread, in a finalizer that the garbage collector runs, is a
    call like any other: nothing here holds a lock or ends a span, so it is metered at once.

    Args:
        book: The prices.
        journal: Where observations are written.
        decorate: What a span shows of its cost; None to show nothing.
        span_tenant: The span attribute that names a tenant; without it, what the span's dialect takes for one.
        personal: Whether user, session and conversation ids are kept.
        starts: Of which calls the beginning is journalled, so that one whose process is killed is known of.

    Attributes:
        counts: How many observations were made, by `priced`, `duplicate` or the reason they are not priced.
        unattributed: How many calls were nobody's, by why, without the platform's own.
        spend: What calls cost, in atto, by currency and by whose it is: `tenant`, `system`, or why it is nobody's.
        flush: Waits so many seconds until what was journalled is durable as it was declared, and says whether it is.
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
        self._starts: Starts = starts
        self.use(book)
        self._recent = Recent()
        self._sources = IdentityCache[Resource, Source](_RESOURCES_MAX)
        self._unrecognised: set[str] = set()
        self._besides = Besides(self)
        journal.on_fork = self.forked
        self.flush: Callable[[float], bool] = lambda timeout_s: True
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.unattributed: defaultdict[str, int] = defaultdict(int)
        self.spend: defaultdict[tuple[str, str], int] = defaultdict(int)

    def use(self, book: Book) -> None:
        """Price with another book from now on; a call that is being metered keeps the one it began with."""
        self._profiles = CallProfiles(book)

    def forked(self) -> None:
        """In the child: nothing that the parent has counted or seen is the child's."""
        self._recent.forked()
        self.counts, self.unattributed, self.spend = (
            defaultdict(int),
            defaultdict(int),
            defaultdict(int),
        )

    @guarded("processor.force_flush", default=False)
    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether every call that has ended is durable as it was declared, within that time. A provider asks its
        processors one after the other: `otel_genai_cost.force_flush` waits for none of them."""
        return self.flush(timeout_millis / 1000)

    # --- a span starts ---

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called for every span: one without a parent and without baggage costs a look."""
        current = context.get_current() if parent_context is None else parent_context
        if current or span.kind is _SERVER:
            note_start(span, current)
        if watched:
            scope = span.instrumentation_scope
            if scope is not None and type(name := scope.name) is str and name in watched:
                self._note_shared(span)
        attributes = attributes_of(span)
        if (_STREAM in attributes or self._starts == "all") and begins(attributes, self._starts):
            self._begin(span, attributes)

    @guarded("processor.shared_call", default=None)
    def _note_shared(self, span: Span) -> None:
        began(span, self._besides.start)

    @guarded("processor.on_start", default=None)
    def _begin(self, span: Span, attributes: Attributes) -> None:
        """Write down that a call has begun, under the id that its observation will have."""
        start_ns = whole_ns(span.start_time)
        for observation in self._metered(span, attributes, start_ns, _UNPRICED, not_counted):
            begun = begun_call(observation)
            if begun is not None:
                self._journal.append({"type": "start", **to_record(begun)})
                keep_start(span, begun)

    @guarded("processor.who", default=None)
    def who_of(self, span: object) -> Who | None:
        """The observation that a call's span will be, and whom it is for; None if it will be none. For the gate, which
        is asked before the call is made."""
        if not isinstance(span, Span) or not span.is_recording():
            return None
        attributes, start_ns = attributes_of(span), whole_ns(span.start_time)
        found = self._metered(span, attributes, start_ns, _UNPRICED, not_counted)
        if len(found) != 1:
            return None
        attribution, trace_id = found[0].attribution, found[0].trace_id
        labels = {name: attribution.labels.get(name) for name in names.LABELS}
        action = labels["action"] or trace_id
        known = {name: value for name, value in {**labels, "action": action}.items() if value}
        return Who(found[0].id, attribution.tenant, known)

    # --- a span ends: recognise ---

    def _on_ending(self, span: Span) -> None:
        """Called for every span: one that is no LLM call costs a few looks."""
        attributes, scope = attributes_of(span), span.instrumentation_scope
        if (
            _OPERATION in attributes
            or _MODEL in attributes
            or _INPUT_TOKENS in attributes
            or _OUTPUT_TOKENS in attributes
            or _PROMPT_TOKENS in attributes
            or _COMPLETION_TOKENS in attributes
            or (
                scope is not None
                and type(name := scope.name) is str
                and name not in self._unrecognised
                and self._is_recognised(name)
            )
            or (self._span_tenant in attributes and self._gives_tenant(span))
        ):
            self._end(span, attributes)

    def _is_recognised(self, scope: str) -> bool:
        """Whether a scope's name is of an instrumentation that has words of its own for calls of models."""
        recognised = dialect_of(scope, "").recognised
        if not recognised:
            if len(self._unrecognised) >= _SCOPES_MAX:
                self._unrecognised.clear()
            self._unrecognised.add(scope)
        return recognised

    def _gives_tenant(self, span: Span) -> bool:
        """Whether this span, which names a tenant, stands above a response that has none."""
        if not self._recent.tenantless:
            return False
        ids = span.get_span_context()
        return self._recent.wants_tenant(f"{ids.trace_id:032x}", f"{ids.span_id:016x}")

    # --- a call ends: view, meter, keep, show ---

    @guarded("processor.on_ending", default=None)
    def _end(self, span: Span, attributes: Attributes) -> None:
        end_ns = whole_ns(span.end_time)
        observations = self._metered(span, attributes, end_ns, self._profiles, refuse)
        if any_noted and not observations:
            disown(span)
        completion = completion_of(span) if any_noted else None
        for observation in observations:
            kept = self._keep(span, observation, completion)
            if self._decorate is not None and kept.sampled and kept.role not in COSTLESS:
                self._show(span, kept, completion, self._decorate)
        withdrawn = withdrawn_start(span, observations, end_ns // 1000)
        if withdrawn is not None:
            self._journal.append(line_of(withdrawn, self._journal.facts))

    def _metered(
        self,
        span: Span,
        attributes: Attributes,
        end_ns: int,
        profiles: CallProfiles,
        refused: Refused,
    ) -> tuple[Observation, ...]:
        """What the span says by then; `refused` is called with the reason of a tenant that is not believed."""
        captured, path, noted = note_of(span)
        source = self._sources.get(span.resource)
        if source is None:
            source = self._sources.keep(span.resource, source_of(span.resource.attributes))
        attributes = whole_texts(span, attributes)
        if self._span_tenant != names.TENANT_ID:
            attributes = {**attributes, names.TENANT_ID: attributes.get(self._span_tenant)}
        span_tenant, resource_tenant = attributes.get(names.TENANT_ID), source.tenant

        def attribute(reading: Reading) -> Attribution:
            tenant = reading.tenant if span_tenant is None else span_tenant
            return attribution_of(captured, tenant, reading.labels, resource_tenant, refused)

        view = view_of(span, attributes, path, source.origin, end_ns)
        found = meter(view, profiles, attribute, personal=self._personal)
        found = known_beside(span, found)
        if len(found) == 1 and found[0].attribution.absent is None:  # nearly always
            return found
        return tuple(_placed(one, noted) for one in found)

    def _keep(
        self, span: Span, observation: Observation, completion: Observation | None
    ) -> Observation:
        """Journal an observation, with the id of the one that it repeats. `completion` is what was observed beside the
        span, of the same call."""
        first = self._recent.note(observation)
        if completion is not None:
            first, observation = completion.id, repeating(observation)
        if first is not None:
            observation = observation._replace(duplicate_of=first)
        self._journal.append(line_of(observation, self._journal.facts))
        if any_noted:
            complete(span, observation)
        cost = observation.cost
        self.counts["duplicate" if first is not None else cost.reason or cost.status] += 1
        if first is None and observation.role == "response":
            self._count_whose(observation.attribution, cost)
        return observation

    def _count_whose(self, attribution: Attribution, cost: Cost) -> None:
        """Whose a call was, and what it cost them."""
        absent = attribution.absent
        if absent is None or attribution.shares:
            whose = "tenant"
        else:
            whose = absent
            if attribution.initiator != "system":
                self.unattributed[absent] += 1
        if cost.total:
            self.spend[cost.row.currency, whose] += cost.total

    def _show(
        self,
        span: Span,
        kept: Observation,
        completion: Observation | None,
        decorate: Decorator,
    ) -> None:
        """Put on the span what its call costs, or what the one costs that was observed beside it. The cost that another
        library put there gives way."""
        charged, repeats = (kept, kept.duplicate_of) if completion is None else (completion, None)
        foreign_cost = kept.reading.foreign_cost
        shown = decorate(charged.id, repeats, charged.cost, kept.attribution.tenant, foreign_cost)
        write(span, shown, without=None if foreign_cost is None else names.GEN_AI_USAGE_COST)


def _placed(observation: Observation, noted: str | None) -> Observation:
    """With the place in the code of a response that is nobody's: as it was noted at its start, else where it ends."""
    found = observation.attribution
    if found.absent in (None, "system") or found.shares:
        return observation
    if noted is None and observation.role == "response":
        noted = call_site()
    return observation if noted is None else observation._replace(call_site=noted)
