"""The way of an export request through the hop. It only goes down:

    places        spans that may be calls (`places`)
    view_at       as the meter reads them (`span_bytes`), each with what is known of the spans above it (`lineage`)
    meter         the same as everywhere (`metering.meter`, `call_profile`)
    keep          seen before? (`metering.recent`), then journal it
    show          what it cost on the span (`metering.profiles`), in the request's bytes (`splice`)

A sender's own word on what a call cost is not believed: it is taken off, unless the sender is trusted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.fields import WireError
from otel_genai_cost.collector.lineage import Lineage
from otel_genai_cost.collector.pairs import PairReader
from otel_genai_cost.collector.places import Place, Places
from otel_genai_cost.collector.span_bytes import ids_at, view_at
from otel_genai_cost.collector.splice import Change, rewritten, spliced
from otel_genai_cost.errors import guarded
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import line_of
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.metering.profiles import COSTLESS, Decorator
from otel_genai_cost.metering.recent import Recent
from otel_genai_cost.otlp.attribution import attribution_on
from otel_genai_cost.otlp.protobuf_request import parsed
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["Hop"]

_NEEDLES: Final = (b"gen_ai.", b"genai_cost.")
_CLAIMS: Final = frozenset(
    {
        names.COST_TOTAL,
        names.COST_CURRENCY,
        names.COST_STATUS,
        names.COST_REASON,
        names.COST_CHARGE_ID,
        names.COST_REPORTED_ELSEWHERE,
        names.COST_INPUT,
        names.COST_OUTPUT,
        names.COST_PRICE_ID,
        names.COST_BOOK,
        names.GEN_AI_USAGE_COST,
    }
)
"""What a sender may say of a call's cost."""

_NOTHING_SHOWN: Final[Mapping[str, str | float]] = {}
_NO_CHANGE: Final = Change(frozenset(), _NOTHING_SHOWN)


class Hop:
    """Prices the calls in export requests. Safe for threads; keeps no request.

    Args:
        book: The prices.
        journal: Where observations are written.
        decorate: What a span shows of its cost; None to show nothing.
        span_tenant: The span attribute that names a tenant.
        personal: Whether user, session and conversation ids are kept.
        trusts: Whether costs that spans bring along stay as they are, where they name the book that they are by.

    Attributes:
        counts: How many observations were made, by `priced`, `duplicate` or the reason they are not priced; spans that
            nobody can read are `malformed`.
    """

    def __init__(
        self,
        book: Book,
        journal: Journal,
        decorate: Decorator | None,
        *,
        span_tenant: str = names.TENANT_ID,
        personal: bool = False,
        trusts: bool = False,
    ) -> None:
        self._journal, self._decorate = journal, decorate
        self._span_tenant, self._personal, self._trusts = span_tenant, personal, trusts
        self.use(book)
        self._recent = Recent()
        self._lineage = Lineage()
        self._places, self._pairs = Places(), PairReader()
        self.counts: defaultdict[str, int] = defaultdict(int)

    def use(self, book: Book) -> None:
        """Price with another book from now on; a request that is on its way keeps the one it began with."""
        self._profiles = CallProfiles(book)

    def passed_on(self, request: bytes) -> bytes:
        """Price the calls of an export request.

        Args:
            request: An ExportTraceServiceRequest in protobuf.

        Returns:
            The request with what its calls cost; the same bytes if it has none.

        Raises:
            ValueError: if it is no such request; nothing of it was journalled.
        """
        passed = self._passed_or_refused(request)
        if isinstance(passed, ValueError):
            raise passed
        return request if passed is None else passed

    @guarded("collector.request", default=None)
    def _passed_or_refused(self, request: bytes) -> bytes | ValueError:
        try:
            changes = self._changes_in(request)
        except WireError:
            return self._by_protobuf(request)
        return spliced(request, changes, self._pairs)

    def _changes_in(self, request: bytes) -> list[tuple[Place, Change]]:
        """What is done to which spans, in their order. Those that only name a tenant are read where a response wants
        one."""
        found = list(self._places.of(request, _NEEDLES))
        if not found and not self._recent.tenantless:
            return []
        for span in self._places.all(request):
            self._lineage.note(*ids_at(request, span))
        changes = self._changed(request, found)
        if self._recent.tenantless:
            known = {place.span.at for place in found}
            naming = self._places.of(request, (self._span_tenant.encode(),))
            more = [place for place in naming if place.span.at not in known]
            changes = sorted(changes + self._changed(request, more), key=lambda one: one[0].span.at)
        return changes

    def _changed(self, request: bytes, places: list[Place]) -> list[tuple[Place, Change]]:
        viewed = [(place, view_at(request, place, self._pairs)) for place in places]
        readable = [(place, span) for place, span in viewed if span is not None]
        if len(readable) < len(viewed):
            self.counts["malformed"] += len(viewed) - len(readable)
        changes = self._changes([span for _, span in readable])
        return [(place, change) for (place, _), change in zip(readable, changes, strict=True)]

    def _by_protobuf(self, request: bytes) -> bytes | ValueError:
        try:
            message = parsed(request)
        except ValueError as error:
            return error
        return rewritten(message, self._noted_changes)

    def _noted_changes(self, spans: Sequence[WireSpan]) -> list[Change]:
        for span in spans:
            self._lineage.note(span.trace_id, span.span_id, span.parent_id)
        return self._changes(spans)

    def _changes(self, spans: Sequence[WireSpan]) -> list[Change]:
        """What is done to the spans of a request, once their calls are journalled. Of spans that repeat a response the
        one that ended first is its charge, whatever their order in the request."""
        profiles = self._profiles
        changes = [_NO_CHANGE] * len(spans)
        for place in sorted(range(len(spans)), key=lambda place: spans[place].end_ns):
            changes[place] = self._change(spans[place], profiles)
        return changes

    def _change(self, span: WireSpan, profiles: CallProfiles) -> Change:
        had, shown = span.attributes, self._metered(span, profiles)
        new = {name: value for name, value in shown.items() if had.get(name) != value}
        gone = new.keys() if self._keeps_claims(span) else new.keys() | (_CLAIMS - shown.keys())
        return Change(frozenset(gone & had.keys()), new)

    def _keeps_claims(self, span: WireSpan) -> bool:
        return self._trusts and names.COST_BOOK in span.attributes

    @guarded("collector.hop", default=_NOTHING_SHOWN)
    def _metered(self, span: WireSpan, profiles: CallProfiles) -> Mapping[str, str | float]:
        """Meter and journal a span; the attributes that say what it costs."""
        if not (span.trace_id and span.span_id):
            self.counts["malformed"] += 1
            return _NOTHING_SHOWN
        span = span._replace(path=self._lineage.path(span))
        attribute = attribution_on(span, self._span_tenant)
        shown: dict[str, str | float] = {}
        for observation in meter(span, profiles, attribute, personal=self._personal):
            if self._is_wanted(observation):
                shown.update(self._kept(observation, span))
        return shown

    def _is_wanted(self, observation: Observation) -> bool:
        """False for a span of an unknown instrumentation that names a tenant which no response below it lacks."""
        if observation.reading.role != "context":
            return True
        if dialect_of(observation.scope, observation.scope_version).recognised:
            return True
        return self._recent.wants_tenant(observation.trace_id, observation.span_id)

    def _kept(self, observation: Observation, span: WireSpan) -> Mapping[str, str | float]:
        """Journal an observation; the attributes that show what it costs."""
        first = self._recent.note(observation)
        if first is not None:
            observation = observation._replace(duplicate_of=first)
        self._journal.append(line_of(observation, self._journal.facts))
        cost = observation.cost
        self.counts["duplicate" if first is not None else cost.reason or cost.status] += 1
        if self._decorate is None or observation.role in COSTLESS or self._keeps_claims(span):
            return _NOTHING_SHOWN
        return self._decorate(
            observation.id,
            first,
            cost,
            observation.attribution.tenant,
            observation.reading.foreign_cost,
        )
