"""What was metered a moment ago, so that a trace shows one cost for one response.

A view only: it marks a later span of the same response as a duplicate, best effort, by what the ledger's rules say of
two spans; the ledger decides about money. Bounded by count and age; evictions only make the view forget, and are
counted.

It takes no lock. A span may end in a finalizer that the garbage collector runs in the middle of `note`, on the same
thread; each step below is one operation of a dict or deque, so whatever comes between finds nothing half done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.usage.leaves import NO_USAGE

__all__ = ["AGE_LIMIT_US", "COUNT_LIMIT", "Recent"]

COUNT_LIMIT: Final = 4_096
AGE_LIMIT_US: Final = 60_000_000
_SKEW_US: Final = 2_000_000
_TWINS_MAX: Final = 16
"""Equal responses at one time that are told apart; of more, the view forgets the oldest."""

_SCOPES_MAX: Final = 1_024

_TwinKey: TypeAlias = "tuple[str, int | None, int | None]"


class _Seen(NamedTuple):
    """A response, as far as it takes to recognise it. `scopes` grows as others tell of it."""

    id: str
    trace_id: str
    provider: str | None
    response_id: str | None
    path: tuple[str, ...]
    start_us: int
    end_us: int
    input_total: int | None
    tenant: str | None
    scopes: set[str]
    twin: _TwinKey


class _Below(NamedTuple):
    """The responses below a span: the first and the latest, how many, what they add up to, and whether one of them has
    no tenant."""

    first: _Seen
    last: _Seen
    responses: int
    input_total: int
    tenantless: bool


_new_seen: Callable[..., _Seen] = tuple.__new__  # pyright: ignore -- tuple's own type has no parameter here
_new_below: Callable[..., _Below] = tuple.__new__  # pyright: ignore -- as above


class Recent:
    """The latest responses, by their provider's id, by the spans above them and by their tokens. Safe for threads.

    `tenantless` is how many of them lack a tenant, as a quick test before `wants_tenant`. `evicted` counts those that
    had to go before their time.
    """

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """In the child: begin anew."""
        self._order: deque[_Seen] = deque()
        self._by_response: dict[str, _Seen] = {}
        self._below: dict[str, _Below] = {}
        self._twins: dict[_TwinKey, deque[_Seen]] = {}
        self._tenantless: set[str] = set()
        self._scopes: set[str] = set()
        self.evicted = 0

    @property
    def tenantless(self) -> int:
        return len(self._tenantless)

    def note(self, observation: Observation) -> str | None:
        """Remember a response; the id of the one it repeats, if any."""
        reading = observation.reading
        if self._order and (
            len(self._order) >= COUNT_LIMIT
            or observation.end_us - self._order[0].end_us > AGE_LIMIT_US
        ):
            self._forget(observation.end_us)
        if reading.response_id is not None:
            first = self._by_response.get(reading.response_id)
            if first is not None and _is_same_response(first, observation):
                first.scopes.add(observation.scope)
                return first.id
        below = self._below.get(observation.span_id) if self._below else None
        if below is not None and (told := _told_below(below, observation)) is not None:
            told.scopes.add(observation.scope)
            return told.id
        usage = reading.usage
        key = (observation.origin.process, usage.input_total, usage.output_total)
        if usage.input_total is not None and self._is_one_of_several(observation.scope):
            for first in tuple(self._twins.get(key, ())):
                if _is_twin(first, observation):
                    first.scopes.add(observation.scope)
                    return first.id
        if reading.role != "context":
            self._remember(observation, key)
        return None

    def _is_one_of_several(self, scope: str) -> bool:
        """Whether another scope tells of calls as well, as in few processes: only then are there twins."""
        if scope not in self._scopes:
            if len(self._scopes) >= _SCOPES_MAX:
                self._scopes.clear()
            self._scopes.add(scope)
        return len(self._scopes) > 1

    def wants_tenant(self, trace_id: str, span_id: str) -> bool:
        """Whether a response below this span is known to lack a tenant."""
        below = self._below.get(span_id)
        return below is not None and below.last.trace_id == trace_id and below.tenantless

    def _remember(self, observation: Observation, key: _TwinKey) -> None:
        reading = observation.reading
        tenant, response_id = observation.attribution.tenant, reading.response_id
        seen = _new_seen(
            _Seen,
            (
                observation.id,
                observation.trace_id,
                reading.provider,
                response_id,
                observation.path,
                observation.start_us,
                observation.end_us,
                reading.usage.input_total,
                tenant,
                {observation.scope},
                key,
            ),
        )
        self._order.append(seen)
        if response_id is not None:
            self._by_response[response_id] = seen
        for ancestor in seen.path:
            self._below[ancestor] = _with(self._below.get(ancestor), seen)
        if reading.usage.input_total is not None:
            twins = self._twins.get(key)
            if twins is None:
                self._twins[key] = deque((seen,), _TWINS_MAX)
            else:
                twins.append(seen)
        if tenant is None:
            self._tenantless.add(seen.id)

    def _forget(self, now_us: int) -> None:
        """Drop what is too old, and the oldest of too many."""
        while len(self._order) >= COUNT_LIMIT or self._is_old(now_us):
            try:
                old = self._order.popleft()
            except IndexError:  # another thread was faster
                return
            if now_us - old.end_us <= AGE_LIMIT_US:
                self.evicted += 1
            self._tenantless.discard(old.id)
            if old.response_id is not None and self._by_response.get(old.response_id) is old:
                self._by_response.pop(old.response_id, None)
            for ancestor in old.path:
                below = self._below.get(ancestor)
                if below is not None and below.last is old:
                    self._below.pop(ancestor, None)
            self._forget_twin(old)

    def _forget_twin(self, old: _Seen) -> None:
        twins = self._twins.get(old.twin)
        try:
            if twins is None or twins[0] is not old:
                return
            if len(twins) == 1:
                self._twins.pop(old.twin, None)
            else:
                twins.popleft()
        except IndexError:  # another thread was faster
            return

    def _is_old(self, now_us: int) -> bool:
        try:
            return now_us - self._order[0].end_us > AGE_LIMIT_US
        except IndexError:
            return False


def _with(below: _Below | None, seen: _Seen) -> _Below:
    total, lacks = seen.input_total or 0, seen.tenant is None
    if below is None or below.last.trace_id != seen.trace_id:
        return _new_below(_Below, (seen, seen, 1, total, lacks))
    first, _, count, so_far, tenantless = below
    return _new_below(_Below, (first, seen, count + 1, so_far + total, tenantless or lacks))


def _is_same_response(first: _Seen, later: Observation) -> bool:
    """The same provider's id, and equal usage overlapping in time, or a poll: an equal id alone proves nothing."""
    reading = later.reading
    if first.provider != reading.provider:
        return False
    if reading.role == "poll":
        return True
    if first.input_total != reading.usage.input_total:
        return False
    same_clock = later.scope in first.scopes and later.origin.process == first.twin[0]
    return _overlap(first, later, 0 if same_clock else _SKEW_US)


def _told_below(below: _Below, above: Observation) -> _Seen | None:
    """What a span tells again that stands above it: the latest response, the sum of several, or, without usage of its
    own, the only one. A span that failed is none of these."""
    first, last, count, total, _ = below
    if last.trace_id != above.trace_id:
        return None
    reading = above.reading
    if reading.role in ("aggregate", "cumulative"):
        return first
    told = reading.usage.input_total
    if told is None:
        only = count == 1 and reading.role == "response" and reading.usage is NO_USAGE
        return first if only and reading.error is None else None
    if told == last.input_total:
        return last
    return first if count > 1 and told == total else None


def _is_twin(first: _Seen, later: Observation) -> bool:
    """Another scope's view of a response in the same process, with equal tokens; never of two tenants."""
    if later.scope in first.scopes or not _overlap(first, later):
        return False
    tenant = later.attribution.tenant
    return tenant is None or first.tenant is None or tenant == first.tenant


def _overlap(first: _Seen, later: Observation, skew_us: int = _SKEW_US) -> bool:
    starts_us, ends_us = max(first.start_us, later.start_us), min(first.end_us, later.end_us)
    return starts_us - ends_us <= skew_us
