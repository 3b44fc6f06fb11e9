"""The way of an export request through the hop. It only goes down:

    claims        what a resource says of its tenant, where that is not believed (`claims`)
    places        spans that may be calls (`places`)
    view_at       as the meter reads them (`span_bytes`), each with what is known of the spans above it (`lineage`)
    meter         the same as everywhere (`metering.meter`, `call_profile`), for whom `tenants` says
    keep          seen before? (`metering.recent`), and as a line of the journal
    show          what it cost on the span (`metering.profiles`), in the request's bytes (`splice`)
    write         the lines of a request together

A sender's own word on what a call cost is not believed: it is taken off, unless the sender is trusted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.answer import Metadata
from otel_genai_cost.collector.claims import (
    SHOWN_CLAIMS,
    take_off_resources,
    without_resource_claims,
)
from otel_genai_cost.collector.lineage import Lineage, latest
from otel_genai_cost.collector.pairs import PairReader
from otel_genai_cost.collector.places import Place, Places
from otel_genai_cost.collector.span_bytes import end_at, view_at
from otel_genai_cost.collector.span_ids import ids_at, parents_in
from otel_genai_cost.collector.splice import Change, rewritten, spliced
from otel_genai_cost.collector.tenants import Attribute, TenantFrom, attribution_by
from otel_genai_cost.collector.trace_tenants import TraceTenants
from otel_genai_cost.errors import JournalError, guarded
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import line_of
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.metering.profiles import COSTLESS, Decorator
from otel_genai_cost.metering.recent import Recent
from otel_genai_cost.otlp.ancestry import span_key
from otel_genai_cost.otlp.protobuf_request import parsed
from otel_genai_cost.otlp.span import WireSpan, with_path
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.transport.fields import WireError
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["Hop"]

_NEEDLES: Final = (b"gen_ai.", b"genai_cost.")
_TRUSTED: Final = TenantFrom()
_NOTHING_SHOWN: Final[Mapping[str, str | float]] = {}
_NO_NAMES: Final[frozenset[str]] = frozenset()
_TOGETHER: Final = 512
"""So many calls are worked on at a time: more do not stay in the processor's caches, which is a fifth of the time."""

_NO_CHANGE: Final = Change(_NO_NAMES, _NOTHING_SHOWN)


class _Terms:
    """A request on its way. What it is metered by, to its end: the prices, whom its calls are for, and the claims that
    its sender may not make; `every_claim`, with those of costs. What comes of it: `lines`, which the journal gets once
    all of it was looked at; `is_refused`, if the journal takes nothing just now."""

    __slots__ = ("attribute", "claims", "every_claim", "is_refused", "lines", "profiles")

    def __init__(
        self, profiles: CallProfiles, attribute: Attribute, claims: frozenset[str]
    ) -> None:
        self.profiles, self.attribute, self.claims = profiles, attribute, claims
        self.every_claim = claims | SHOWN_CLAIMS
        self.lines: list[bytes] = []
        self.is_refused = False


class Hop:
    """Prices the calls in export requests. Safe for threads; keeps no request.

    Args:
        book: The prices.
        journal: Where observations are written.
        decorate: What a span shows of its cost; None to show nothing.
        tenants: Who says whom a call is for.
        personal: Whether user, session and conversation ids are kept.
        trusts: Whether costs that spans bring along stay as they are, where they name the book that they are by.

    Attributes:
        counts: How many observations were made, by `priced`, `duplicate` or the reason they are not priced; spans that
            nobody can read are `malformed`.
        spans: How many have come by.
        traces: The tenants of traces, where those are asked.
    """

    def __init__(
        self,
        book: Book,
        journal: Journal,
        decorate: Decorator | None,
        *,
        tenants: TenantFrom = _TRUSTED,
        personal: bool = False,
        trusts: bool = False,
    ) -> None:
        self._journal, self._decorate = journal, decorate
        self._tenants, self._personal, self._trusts = tenants, personal, trusts
        self._naming = tenants.attribute.encode()
        self._needles = (*_NEEDLES, *(name.encode() for name in tenants.claims))
        self.traces = TraceTenants() if tenants.kind == "trace" else None
        self.use(book)
        self._recent = Recent()
        self._lineage = Lineage()
        self._places, self._pairs = Places(), PairReader()
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.spans = 0
        self._counting = Lock()

    def use(self, book: Book) -> None:
        """Price with another book from now on; a request that is on its way keeps the one it began with."""
        self._profiles = CallProfiles(book)

    def passed_on(self, request: bytes, metadata: Metadata = ()) -> bytes:
        """Price the calls of an export request.

        Args:
            request: An ExportTraceServiceRequest in protobuf.
            metadata: What its sender said beside it.

        Returns:
            The request with what its calls cost; the same bytes if it has none.

        Raises:
            ValueError: if it is no such request; nothing of it was journalled.
            JournalError: if a call of it could not be journalled, and is to come again.
        """
        terms = self._terms(metadata)
        passed = self._by_bytes(request, terms) or self._anyhow(request, terms)
        if isinstance(passed, ValueError):
            try:
                raise passed
            finally:
                del passed  # its traceback leads here: request and all would stay until somebody looks for cycles
        if not self._are_written(terms.lines) or terms.is_refused:
            raise JournalError("a call could not be journalled")
        return request if passed is None else passed

    def _terms(self, metadata: Metadata) -> _Terms:
        source = self._tenants
        return _Terms(self._profiles, attribution_by(source, metadata), source.claims)

    @guarded("collector.request", default=None)
    def _by_bytes(self, request: bytes, terms: _Terms) -> bytes | ValueError:
        try:
            mended = without_resource_claims(request, terms.claims, self._pairs)
            changes = self._changes_in(mended, terms)
        except WireError:
            return self._by_protobuf(request, terms)
        return spliced(mended, changes, self._pairs)

    @guarded("collector.request", default=None)
    def _anyhow(self, request: bytes, terms: _Terms) -> bytes | ValueError:
        """What our own reader failed at; a request without a byte is one too."""
        return self._by_protobuf(request, terms)

    def _changes_in(self, request: bytes, terms: _Terms) -> list[tuple[Place, Change]]:
        """What is done to which spans, in their order. Those that only name a tenant are read where a response wants
        one. Nothing of a request counts before all of it has been walked: it may be none."""
        spans, parents = 0, latest()
        for scope in self._places.scopes(request):
            for link in parents_in(request, *scope):
                spans += 1
                parents.append(link)
        found = list(self._places.of(request, self._needles))
        named = [] if self.traces is None else list(self._named_in(request))
        self._count_spans(spans)
        self._lineage.note(parents)
        for trace_id, tenants in named:
            self._add_named(terms, trace_id, tenants)
        if found and self._journal.not_journalled > self._journal.dropped:
            terms.is_refused = True
            return []
        changes = self._changed(request, found, terms)
        if self._recent.tenantless:
            known = {place.span.at for place in found}
            naming = self._places.of(request, (self._naming,))
            more = [place for place in naming if place.span.at not in known]
            changes += self._changed(request, more, terms)
            changes.sort(key=lambda one: one[0].span.at)
        return changes

    def _named_in(self, request: bytes) -> Iterator[tuple[int, tuple[object, object]]]:
        """Traces, with what a span of theirs and its resource say of their tenant."""
        if self._naming not in request and names.TENANT_ID.encode() not in request:
            return
        for place in self._places.of(request, (b"",)):
            span, by_resource = place.span, place.group.resource.get(names.TENANT_ID)
            by_span = None
            if request.find(self._naming, span.start, span.end) >= 0:
                view = view_at(request, place, self._pairs)
                by_span = None if view is None else view.attributes.get(self._tenants.attribute)
            if by_span is not None or by_resource is not None:
                yield ids_at(request, span)[0], (by_span, by_resource)

    def _changed(
        self, request: bytes, places: list[Place], terms: _Terms
    ) -> list[tuple[Place, Change]]:
        """What is done to the spans at some places, in the order of these. They are worked on in that of their ends,
        which `_changes` sees to where one step is enough."""
        by_end = places
        if len(places) > _TOGETHER:
            by_end = sorted(places, key=lambda place: end_at(request, place, self._pairs))
        changes: list[tuple[Place, Change]] = []
        for start in range(0, len(by_end), _TOGETHER):
            changes += self._changed_together(request, by_end[start : start + _TOGETHER], terms)
        changes.sort(key=lambda one: one[0].span.at)
        return changes

    def _changed_together(
        self, request: bytes, places: list[Place], terms: _Terms
    ) -> list[tuple[Place, Change]]:
        viewed = [(place, view_at(request, place, self._pairs)) for place in places]
        readable = [(place, span) for place, span in viewed if span is not None]
        if len(readable) < len(viewed):
            self._count("malformed", len(viewed) - len(readable))
        changes = self._changes([span for _, span in readable], terms)
        return [(place, change) for (place, _), change in zip(readable, changes, strict=True)]

    def _by_protobuf(self, request: bytes, terms: _Terms) -> bytes | ValueError:
        try:
            message = parsed(request)
        except ValueError as error:
            return error
        take_off_resources(message, terms.claims)
        return rewritten(message, lambda spans: self._noted_changes(spans, terms))

    def _noted_changes(self, spans: Sequence[WireSpan], terms: _Terms) -> list[Change]:
        self._count_spans(len(spans))
        self._lineage.note(
            latest((span_key(span.trace_id, span.span_id), span.parent_id) for span in spans)
        )
        for span in spans:
            named = span.attributes.get(self._tenants.attribute), span.resource.get(names.TENANT_ID)
            self._add_named(terms, span.trace_id, named)
        return self._changes(spans, terms)

    def _changes(self, spans: Sequence[WireSpan], terms: _Terms) -> list[Change]:
        """What is done to the spans of a request, whose observations become lines. Of spans that repeat a response the
        one that ended first is its charge, whatever their order in the request.

        All are metered before the first is kept: that takes a sixth less time than one after the other.
        """
        by_end = sorted(range(len(spans)), key=[span.end_ns for span in spans].__getitem__)
        metered = [(place, self._metered(spans[place], terms)) for place in by_end]
        changes = [_NO_CHANGE] * len(spans)
        for place, observations in metered:
            changes[place] = self._change(spans[place], observations, terms)
        return changes

    def _change(self, span: WireSpan, observations: Sequence[Observation], terms: _Terms) -> Change:
        had, shown = span.attributes, self._shown(span, observations, terms)
        new = {name: value for name, value in shown.items() if had.get(name) != value}
        claims = terms.claims if self._keeps_claims(span) else terms.every_claim
        if claims.isdisjoint(had) and new.keys().isdisjoint(had):
            return Change(_NO_NAMES, new)
        gone = new.keys() | (claims - shown.keys())
        return Change(frozenset(gone & had.keys()), new)

    def _keeps_claims(self, span: WireSpan) -> bool:
        return self._trusts and names.COST_BOOK in span.attributes

    @guarded("collector.hop", default=())
    def _metered(self, span: WireSpan, terms: _Terms) -> tuple[Observation, ...]:
        """What a span says."""
        if not (span.trace_id and span.span_id):
            self._count("malformed")
            return ()
        span = with_path(span, self._lineage.path(span))
        return meter(span, terms.profiles, terms.attribute(span), personal=self._personal)

    @guarded("collector.hop", default=_NOTHING_SHOWN)
    def _shown(
        self, span: WireSpan, observations: Sequence[Observation], terms: _Terms
    ) -> Mapping[str, str | float]:
        """Keep what a span says; the attributes that say what it costs."""
        shown: dict[str, str | float] = {}
        for observation in observations:
            if self._is_wanted(observation):
                shown.update(self._kept(observation, span, terms))
        return shown

    def _is_wanted(self, observation: Observation) -> bool:
        """False for a span of an unknown instrumentation that names a tenant which no response below it lacks."""
        if observation.reading.role != "context":
            return True
        if dialect_of(observation.scope, observation.scope_version).recognised:
            return True
        return self._recent.wants_tenant(observation.trace_id, observation.span_id)

    def _kept(
        self, observation: Observation, span: WireSpan, terms: _Terms
    ) -> Mapping[str, str | float]:
        """Note an observation, and make its line; the attributes that show what it costs. One that comes again, since
        its request was sent again, repeats nobody but itself."""
        first = self._recent.note(observation)
        if first == observation.id:
            first = None
        if first is not None:
            observation = observation._replace(duplicate_of=first)
        if self.traces is not None and observation.role != "context":
            self._add_named(terms, span.trace_id, (observation.attribution.tenant,))
            observation = self.traces.bound(span.trace_id, observation)
        self._add(terms, (observation,))
        cost, tenant = observation.cost, observation.attribution.tenant
        self._count("duplicate" if first is not None else cost.reason or cost.status)
        if self._decorate is None or observation.role in COSTLESS:
            return _NOTHING_SHOWN
        if self._keeps_claims(span):
            return _NOTHING_SHOWN if tenant is None else {names.TENANT_ID: tenant}
        return self._decorate(observation.id, first, cost, tenant, observation.reading.foreign_cost)

    def _add(self, terms: _Terms, observations: Iterable[Observation]) -> None:
        terms.lines += [line_of(one, self._journal.facts) for one in observations]

    def _add_named(self, terms: _Terms, trace_id: int, tenants: Iterable[object]) -> None:
        """What is known better of calls that came before, now that a span of their trace names a tenant."""
        if self.traces is not None:
            self._add(terms, self.traces.name(trace_id, tenants))

    @guarded("collector.journal", default=False)
    def _are_written(self, lines: Sequence[bytes]) -> bool:
        return self._journal.append_all(lines)

    def _count_spans(self, number: int) -> None:
        with self._counting:
            self.spans += number

    def _count(self, what: str, number: int = 1) -> None:
        with self._counting:
            self.counts[what] += number
