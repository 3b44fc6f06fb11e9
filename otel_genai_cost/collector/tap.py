"""What passes, read and counted: requests go on as they came, nothing is journalled, and no span gets a cost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from threading import Lock
from typing import Final, NamedTuple, TypeVar

from otel_genai_cost.collector.answer import OK, Answer, Metadata
from otel_genai_cost.collector.claims import SHOWN_CLAIMS
from otel_genai_cost.collector.tenants import TenantFrom, attribution_by
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.metering.profiles import COSTLESS
from otel_genai_cost.metering.recent import Recent
from otel_genai_cost.otlp.protobuf_request import protobuf_request
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["NO_NAME", "Reporter", "Swallow", "Tally", "Tap"]

NO_NAME: Final = "(no name)"
"""Of a service whose resource has none."""

_KEPT_MAX: Final = 1_000
"""Different things of one kind that are counted apart; of traces, those whose tenant is kept in mind."""

_TRACES_MAX: Final = 100_000
_TENANT_METADATA: Final = re.compile(r"tenant|org-?id|account|customer|workspace|project")
_Key = TypeVar("_Key", bound=Hashable)


class Reporter(NamedTuple):
    """An instrumentation, and the dialect that its spans are read in; `is_known` if that is its own."""

    scope: str
    version: str
    dialect: str
    is_known: bool


class Tally:
    """What has passed.

    Attributes:
        requests: Export requests.
        bytes: Of these.
        spans: In these.
        malformed: Things in them that are no spans.
        calls: Responses of LLMs, each once, however many spans report it.
        repeats: Further spans of those.
        reporters: Spans with calls, by instrumentation.
        sources: Calls by what named their tenant.
        nameless: Calls without a tenant, by service.
        nameless_traces: The same, by trace.
        named_traces: Traces in which a span names a tenant.
        unpriced: Calls without a price, by reason, provider and model.
        claims: Spans that say themselves what they cost.
        sampled: Spans from services that send a sample, by service.
        metadata: Names beside requests that may name a tenant.
    """

    def __init__(self) -> None:
        self.requests = self.bytes = self.spans = self.malformed = 0
        self.calls = self.repeats = self.claims = 0
        self.reporters: Counter[Reporter] = Counter()
        self.sources: Counter[str] = Counter()
        self.nameless: Counter[str] = Counter()
        self.nameless_traces: Counter[str] = Counter()
        self.named_traces: set[str] = set()
        self.unpriced: Counter[tuple[str, str, str]] = Counter()
        self.sampled: Counter[str] = Counter()
        self.metadata: Counter[str] = Counter()


class Tap:
    """Reads export requests on their way. Safe for threads.

    Args:
        book: The prices, to say which calls have none.
        tenants: Who says whom a call is for.

    Attributes:
        tally: What has passed.
    """

    def __init__(self, book: Book, tenants: TenantFrom) -> None:
        self._profiles, self._tenants, self._recent = CallProfiles(book), tenants, Recent()
        self._reading = Lock()
        self.tally = Tally()

    def passed_on(self, request: bytes, metadata: Metadata) -> bytes:
        """Count what is in a request.

        Args:
            request: An ExportTraceServiceRequest in protobuf.
            metadata: What its sender said beside it.

        Returns:
            The request.

        Raises:
            ValueError: if it is no such request.
        """
        read = protobuf_request(request)
        with self._reading:
            tally = self.tally
            tally.requests += 1
            tally.bytes += len(request)
            tally.spans += len(read.spans)
            tally.malformed += read.malformed
            for name, _ in metadata:
                if _TENANT_METADATA.search(name):
                    _add(tally.metadata, name)
            for span in sorted(read.spans, key=_end):
                self._note(span, metadata)
        return request

    def _note(self, span: WireSpan, metadata: Metadata) -> None:
        tally = self.tally
        service = span.origin.service or NO_NAME
        if span.threshold is not None:
            _add(tally.sampled, service)
        if not SHOWN_CLAIMS.isdisjoint(span.attributes):
            tally.claims += 1
        attribute = attribution_by(self._tenants, metadata)(span)
        for observation in meter(span, self._profiles, attribute):
            self._note_observation(observation, service)

    def _note_observation(self, observation: Observation, service: str) -> None:
        tally, tenant = self.tally, observation.attribution.tenant
        if tenant is not None and len(tally.named_traces) < _TRACES_MAX:
            tally.named_traces.add(observation.trace_id)
        if observation.role in COSTLESS or observation.role == "aggregate":
            return
        dialect = dialect_of(observation.scope, observation.scope_version)
        reporter = (observation.scope, observation.scope_version, observation.dialect)
        _add(tally.reporters, Reporter(*reporter, dialect.recognised))
        if self._recent.note(observation) is not None:
            tally.repeats += 1
            return
        tally.calls += 1
        if tenant is None:
            _add(tally.nameless, service)
            _add(tally.nameless_traces, observation.trace_id, _TRACES_MAX)
        else:
            tally.sources[observation.attribution.source or "span"] += 1
        self._note_cost(observation)

    def _note_cost(self, observation: Observation) -> None:
        reason, reading = observation.cost.reason, observation.reading
        if reason is not None and reason != "not_billed":
            model = reading.model_returned or reading.model_requested or "-"
            _add(self.tally.unpriced, (reason, reading.provider or "-", model))


class Swallow:
    """A receiver that takes everything and keeps nothing."""

    def send(self, request: bytes, metadata: Metadata, timeout_s: float) -> Answer:
        """Take a request.

        Args:
            request: An ExportTraceServiceRequest in protobuf.
            metadata: What its sender said beside it.
            timeout_s: How long to wait, which it does not.
        """
        return Answer(OK)

    def close(self) -> None:
        """Nothing is open."""


def _end(span: WireSpan) -> int:
    return span.end_ns


def _add(counter: Counter[_Key], key: _Key, kept_max: int = _KEPT_MAX) -> None:
    """Count, unless there are too many different ones already."""
    if key in counter or len(counter) < kept_max:
        counter[key] += 1
