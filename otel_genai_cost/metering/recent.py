"""What was metered a moment ago, so that a trace shows one cost for one response.

A view only: it marks a later span of the same response as a duplicate, best effort, by what the ledger's rules say of
two spans; the ledger decides about money. Bounded by count and age; what is forgotten early is counted.

It takes no lock. A span may end in a finalizer that the garbage collector runs in the middle of `note`, on the same
thread; each step below is one operation of a dict or list, so whatever comes between finds nothing half done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.usage.leaves import NO_USAGE

__all__ = ["AGE_LIMIT_US", "COUNT_LIMIT", "Recent", "Seen", "seen_of"]

COUNT_LIMIT: Final = 4_096
AGE_LIMIT_US: Final = 60_000_000
_GENERATION: Final = COUNT_LIMIT // 2
_SKEW_US: Final = 2_000_000
_TWINS_MAX: Final = 16
"""Equal responses at one time that are told apart; of more, the view forgets the oldest."""

_SCOPES_MAX: Final = 1_024


class Seen(NamedTuple):
    """A span that tells of a call, as far as it takes to recognise it. `scopes` grows as others tell of the same.

    `is_silent` says that it has neither usage nor an error.
    """

    id: str
    trace_id: str
    span_id: str
    path: tuple[str, ...]
    start_us: int
    end_us: int
    process: str
    role: str
    provider: str | None
    response_id: str | None
    input_total: int | None
    output_total: int | None
    tenant: str | None
    is_silent: bool
    scopes: list[str]


_TwinKey: TypeAlias = "tuple[str, int | None, int | None]"


class _Below(NamedTuple):
    """The responses below a span: the first and the latest, how many, what they add up to, and whether one of them has
    no tenant."""

    first: Seen
    last: Seen
    responses: int
    input_total: int
    tenantless: bool


_new_below: Callable[..., _Below] = tuple.__new__  # pyright: ignore -- tuple's own type has no parameter here


class _Generation:
    """Responses in the order in which they came, and by what they are found. Dropped as a whole, which costs less than
    to forget one response for each that comes."""

    __slots__ = ("below", "by_response", "responses", "tenantless", "twins")

    def __init__(self) -> None:
        self.responses: list[Seen] = []
        self.by_response: dict[str, Seen] = {}
        self.below: dict[str, _Below] = {}
        self.twins: dict[_TwinKey, tuple[Seen, ...]] = {}
        self.tenantless = 0


class Recent:
    """The latest responses, by their provider's id, by the spans above them and by their tokens. Safe for threads.

    `evicted` counts those that had to go before their time.
    """

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """In the child: begin anew."""
        self._young, self._old = _Generation(), _Generation()
        self._scopes: set[str] = set()
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._young.responses) + len(self._old.responses)

    @property
    def tenantless(self) -> int:
        """How many of the responses lack a tenant, as a quick test before `wants_tenant`."""
        return self._young.tenantless + self._old.tenantless

    def note(self, seen: Seen) -> str | None:
        """Remember a response; the id of the one it repeats, if any."""
        young = self._young
        responses = young.responses
        if responses and (
            len(responses) >= _GENERATION or seen.end_us - responses[0].end_us > AGE_LIMIT_US
        ):
            young = self._next(young, seen.end_us)
        first = self._told_before(young, self._old, seen)
        if first is not None and seen.end_us - first.end_us <= AGE_LIMIT_US:
            if seen.scopes[0] not in first.scopes:
                first.scopes.append(seen.scopes[0])
            return first.id
        if seen.role != "context":
            self._remember(young, seen)
        return None

    def wants_tenant(self, trace_id: str, span_id: str) -> bool:
        """Whether a response below this span is known to lack a tenant."""
        below = self._below(span_id)
        return below is not None and below.last.trace_id == trace_id and below.tenantless

    def _next(self, full: _Generation, now_us: int) -> _Generation:
        """A new generation; the full one becomes the old one, unless that is too old itself."""
        if self._young is full:  # else another thread was faster
            self.evicted += sum(
                now_us - seen.end_us <= AGE_LIMIT_US for seen in self._old.responses
            )
            is_old = now_us - full.responses[-1].end_us > AGE_LIMIT_US
            self._old, self._young = _Generation() if is_old else full, _Generation()
        return self._young

    def _told_before(self, young: _Generation, old: _Generation, seen: Seen) -> Seen | None:
        """The response that a span tells of again, if it is remembered."""
        response_id = seen.response_id
        if response_id is not None:
            first = young.by_response.get(response_id) or old.by_response.get(response_id)
            if first is not None and _is_same_response(first, seen):
                return first
        if young.below or old.below:
            below = self._below(seen.span_id)
            if below is not None and (told := _told_below(below, seen)) is not None:
                return told
        if seen.input_total is not None and self._is_one_of_several(seen.scopes[0]):
            key = _twin_key(seen)
            for first in (*old.twins.get(key, ()), *young.twins.get(key, ())):
                if _is_twin(first, seen):
                    return first
        return None

    def _below(self, span_id: str) -> _Below | None:
        return self._young.below.get(span_id) or self._old.below.get(span_id)

    def _is_one_of_several(self, scope: str) -> bool:
        """Whether another scope tells of calls as well; only then are there twins, and an index of them."""
        if scope not in self._scopes:
            if len(self._scopes) >= _SCOPES_MAX:
                self._scopes.clear()
            self._scopes.add(scope)
            if len(self._scopes) == 2:
                for generation in (self._old, self._young):
                    for seen in tuple(generation.responses):
                        _index_twin(generation, seen)
        return len(self._scopes) > 1

    def _remember(self, young: _Generation, seen: Seen) -> None:
        young.responses.append(seen)
        if seen.response_id is not None:
            young.by_response[seen.response_id] = seen
        for ancestor in seen.path:
            young.below[ancestor] = _with(self._below(ancestor), seen)
        if len(self._scopes) > 1:
            _index_twin(young, seen)
        if seen.tenant is None:
            young.tenantless += 1


def seen_of(observation: Observation) -> Seen:
    """An observation as the view sees it."""
    reading = observation.reading
    usage = reading.usage
    return Seen(
        observation.id,
        observation.trace_id,
        observation.span_id,
        observation.path,
        observation.start_us,
        observation.end_us,
        observation.origin.process,
        reading.role,
        reading.provider,
        reading.response_id,
        usage.input_total,
        usage.output_total,
        observation.attribution.tenant,
        usage is NO_USAGE and reading.error is None,
        [observation.scope],
    )


def _twin_key(seen: Seen) -> _TwinKey:
    return seen.process, seen.input_total, seen.output_total


def _index_twin(generation: _Generation, seen: Seen) -> None:
    if seen.input_total is not None:
        key = _twin_key(seen)
        twins = generation.twins.get(key, ())
        generation.twins[key] = (*twins[1 - _TWINS_MAX :], seen)


def _with(below: _Below | None, seen: Seen) -> _Below:
    total, lacks = seen.input_total or 0, seen.tenant is None
    if below is None or below.last.trace_id != seen.trace_id:
        return _new_below(_Below, (seen, seen, 1, total, lacks))
    first, _, count, so_far, tenantless = below
    return _new_below(_Below, (first, seen, count + 1, so_far + total, tenantless or lacks))


def _is_same_response(first: Seen, later: Seen) -> bool:
    """The same provider's id, and equal usage overlapping in time, or a poll: an equal id alone proves nothing."""
    if first.provider != later.provider:
        return False
    if later.role == "poll":
        return True
    if first.input_total != later.input_total:
        return False
    same_clock = later.scopes[0] in first.scopes and later.process == first.process
    return _overlap(first, later, 0 if same_clock else _SKEW_US)


def _told_below(below: _Below, above: Seen) -> Seen | None:
    """What a span tells again that stands above it: the latest response, the sum of several, or, without usage of its
    own, the only one. A span that failed is none of these."""
    first, last, count, total, _ = below
    if last.trace_id != above.trace_id:
        return None
    if above.role in ("aggregate", "cumulative"):
        return first
    told = above.input_total
    if told is None:
        return first if count == 1 and above.role == "response" and above.is_silent else None
    if told == last.input_total:
        return last
    return first if count > 1 and told == total else None


def _is_twin(first: Seen, later: Seen) -> bool:
    """Another scope's view of a response in the same process, with equal tokens; never of two tenants."""
    if later.scopes[0] in first.scopes or not _overlap(first, later, _SKEW_US):
        return False
    return later.tenant is None or first.tenant is None or later.tenant == first.tenant


def _overlap(first: Seen, later: Seen, skew_us: int) -> bool:
    starts_us, ends_us = max(first.start_us, later.start_us), min(first.end_us, later.end_us)
    return starts_us - ends_us <= skew_us
