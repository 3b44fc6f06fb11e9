"""What was metered a moment ago, so that a trace shows one cost for one response.

A view only: it marks a later span of the same response as a duplicate, best effort; the ledger decides about money.
Bounded by count and age; evictions only make the view forget.

It takes no lock. A span may end in a finalizer that the garbage collector runs in the middle of `note`, on the same
thread; each step below is one operation of a dict or deque, so whatever comes between finds nothing half done.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation

__all__ = ["AGE_LIMIT_US", "COUNT_LIMIT", "Recent"]

COUNT_LIMIT: Final = 4_096
AGE_LIMIT_US: Final = 60_000_000
_SKEW_US: Final = 2_000_000


class _Seen(NamedTuple):
    """A response, as far as it takes to recognise it."""

    id: str
    trace_id: str
    provider: str | None
    response_id: str | None
    path: tuple[str, ...]
    start_us: int
    end_us: int
    input_total: int | None
    has_tenant: bool


class Recent:
    """The latest responses, by their provider's id and by the spans above them. Safe for threads.

    `tenantless` is how many of them lack a tenant, as a quick test before `wants_tenant`.
    """

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """In the child: begin anew."""
        self._order: deque[_Seen] = deque()
        self._by_response: dict[str, _Seen] = {}
        self._below: dict[str, _Seen] = {}
        self._tenantless: set[str] = set()
        self._tenantless_below: dict[str, _Seen] = {}

    @property
    def tenantless(self) -> int:
        return len(self._tenantless)

    def note(self, observation: Observation) -> str | None:
        """Remember a response; the id of the one it repeats, if any."""
        reading = observation.reading
        response_id = reading.response_id
        if self._order and (
            len(self._order) >= COUNT_LIMIT
            or observation.end_us - self._order[0].end_us > AGE_LIMIT_US
        ):
            self._forget(observation.end_us)
        if response_id is not None:
            first = self._by_response.get(response_id)
            if first is not None and _is_same_response(first, observation):
                return first.id
        first = self._below.get(observation.span_id) if self._below else None
        if first is not None and _is_told_above(first, observation):
            return first.id
        if reading.role != "context":
            self._remember(observation)
        return None

    def wants_tenant(self, trace_id: str, span_id: str) -> bool:
        """Whether a response below this span is known to lack a tenant."""
        seen = self._tenantless_below.get(span_id)
        return seen is not None and seen.trace_id == trace_id

    def _remember(self, observation: Observation) -> None:
        reading = observation.reading
        seen = _Seen(
            observation.id,
            observation.trace_id,
            reading.provider,
            reading.response_id,
            observation.path,
            observation.start_us,
            observation.end_us,
            reading.usage.input_total,
            observation.attribution.tenant is not None,
        )
        self._order.append(seen)
        if seen.response_id is not None:
            self._by_response[seen.response_id] = seen
        for ancestor in seen.path:
            self._below[ancestor] = seen
        if not seen.has_tenant:
            self._tenantless.add(seen.id)
            for ancestor in seen.path:
                self._tenantless_below[ancestor] = seen

    def _forget(self, now_us: int) -> None:
        """Drop what is too old, and the oldest of too many."""
        while len(self._order) >= COUNT_LIMIT or self._is_old(now_us):
            try:
                old = self._order.popleft()
            except IndexError:  # another thread was faster
                return
            self._tenantless.discard(old.id)
            if old.response_id is not None and self._by_response.get(old.response_id) is old:
                self._by_response.pop(old.response_id, None)
            for below in (self._below, self._tenantless_below):
                for ancestor in old.path:
                    if below.get(ancestor) is old:
                        below.pop(ancestor, None)

    def _is_old(self, now_us: int) -> bool:
        try:
            return now_us - self._order[0].end_us > AGE_LIMIT_US
        except IndexError:
            return False


def _is_same_response(first: _Seen, later: Observation) -> bool:
    """The same provider's id, and equal usage overlapping in time, or a poll: an equal id alone proves nothing."""
    reading = later.reading
    if first.provider != reading.provider:
        return False
    if reading.role == "poll":
        return True
    starts_us, ends_us = max(first.start_us, later.start_us), min(first.end_us, later.end_us)
    return first.input_total == reading.usage.input_total and starts_us - ends_us <= _SKEW_US


def _is_told_above(first: _Seen, above: Observation) -> bool:
    """A span above the response, which sums up what is below it or repeats it."""
    if first.trace_id != above.trace_id:
        return False
    reading = above.reading
    return reading.role == "aggregate" or reading.usage.input_total == first.input_total is not None
