"""What was metered a moment ago, so that a trace shows one cost for one response.

A view only: it marks a later span of the same response as a duplicate, best effort; the ledger decides about money.
Bounded by count and age; evictions only make the view forget.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation

__all__ = ["AGE_LIMIT_US", "COUNT_LIMIT", "Recent"]

COUNT_LIMIT: Final = 4_096
AGE_LIMIT_US: Final = 60_000_000
_SKEW_US: Final = 2_000_000

_Key = tuple[str, str]


class _Seen(NamedTuple):
    id: str
    start_us: int
    end_us: int
    input_total: int | None
    tenant: str | None
    response: _Key | None
    above: tuple[_Key, ...]


class Recent:
    """The latest responses, by their provider's id and by the spans above them. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._order: deque[_Seen] = deque()
        self._by_response: dict[_Key, _Seen] = {}
        self._below: dict[_Key, _Seen] = {}
        self.tenantless = 0

    def forked(self) -> None:
        """In the child: begin anew; the parent's lock may be held by a thread that is not here."""
        self.__init__()  # type: ignore[misc]

    def note(self, observation: Observation) -> str | None:
        """Remember a response; the id of the one it repeats, if any."""
        reading = observation.reading
        usage = reading.usage
        own = (observation.trace_id, observation.span_id)
        response = (reading.provider or "", reading.response_id) if reading.response_id else None
        with self._lock:
            self._forget(observation.end_us)
            first = self._repeated(observation, own, response)
            if first is not None or reading.role == "context":
                return first
            seen = _Seen(
                observation.id,
                observation.start_us,
                observation.end_us,
                usage.input_total,
                observation.attribution.tenant,
                response,
                tuple([(observation.trace_id, ancestor) for ancestor in observation.path]),
            )
            self._remember(seen)
        return None

    def wants_tenant(self, trace_id: str, span_id: str) -> bool:
        """Whether a response below this span is known to lack a tenant."""
        seen = self._below.get((trace_id, span_id))
        return seen is not None and seen.tenant is None

    def _repeated(self, observation: Observation, own: _Key, response: _Key | None) -> str | None:
        input_total = observation.reading.usage.input_total
        by_id = self._by_response.get(response) if response is not None else None
        if by_id is not None and (observation.reading.role == "poll" or _same(by_id, observation)):
            return by_id.id
        below = self._below.get(own)
        if below is not None and input_total is not None and below.input_total == input_total:
            return below.id
        return None

    def _remember(self, seen: _Seen) -> None:
        self._order.append(seen)
        if seen.response is not None:
            self._by_response[seen.response] = seen
        for key in seen.above:
            self._below[key] = seen
        self.tenantless += seen.tenant is None

    def _forget(self, now_us: int) -> None:
        order = self._order
        while order and (len(order) >= COUNT_LIMIT or now_us - order[0].end_us > AGE_LIMIT_US):
            old = order.popleft()
            self.tenantless -= old.tenant is None
            if old.response is not None and self._by_response.get(old.response) is old:
                del self._by_response[old.response]
            for key in old.above:
                if self._below.get(key) is old:
                    del self._below[key]


def _same(seen: _Seen, observation: Observation) -> bool:
    """Equal usage and overlapping in time: an equal id alone proves nothing."""
    overlap = (
        min(seen.end_us, observation.end_us) - max(seen.start_us, observation.start_us) >= -_SKEW_US
    )
    return overlap and seen.input_total == observation.reading.usage.input_total
