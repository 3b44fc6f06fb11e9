"""Which tenant the spans of a trace name, for calls of it that name none themselves.

A trusted service names the tenant on some span of a trace: the call's own may end before that one, or in another
service. If the spans of a trace name one tenant, its calls are for that one; if they name two, nobody guesses. Since
either may show only later, what was journalled by then is journalled again with what is known now: the ledger takes
the copies for one call, and copies for two tenants for nobody's.

It is memory, bounded in number and time. What is forgotten stays as it was journalled last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of

__all__ = ["TraceTenants"]

_TRACES_MAX: Final = 16_384
_CALLS_MAX: Final = 4_096
_CALLS_OF_TRACE_MAX: Final = 1_024
_AGE_S: Final = 300.0
"""Each of two generations; what is in the older one is forgotten with it."""


class _Trace(NamedTuple):
    """What is known of a trace: at most two of its tenants, and its calls that name none, as they are without one."""

    tenants: tuple[str, ...]
    calls: tuple[Observation, ...]


_UNKNOWN: Final = _Trace((), ())


class TraceTenants:
    """The tenants of the latest traces. Safe for threads.

    Args:
        clock_s: Says what time it is, in seconds from any point.

    Attributes:
        forgotten: How many traces had to go before their time, since there were too many, and calls of one that has.
        written: How many observations were given out to be journalled again.
    """

    def __init__(self, clock_s: Callable[[], float] = monotonic) -> None:
        self._clock_s = clock_s
        self._lock = Lock()
        self._young: dict[int, _Trace] = {}
        self._old: dict[int, _Trace] = {}
        self._calls, self._until_s = 0, clock_s() + _AGE_S
        self.forgotten = self.written = 0

    def name(self, trace_id: int, tenants: Iterable[object]) -> list[Observation]:
        """Note that a span of a trace names a tenant; what it says may be anything, and is no tenant then.

        Args:
            trace_id: Of the trace.
            tenants: What the span says, and what its resource does.

        Returns:
            The calls of the trace that were journalled for nobody, or for another, as they are to be journalled again.
        """
        found = [tenant for tenant in map(tenant_id_of, tenants) if tenant is not None]
        again = [call for tenant in found for call in self._named(trace_id, tenant)]
        self.written += len(again)
        return again

    def _named(self, trace_id: int, tenant: str) -> list[Observation]:
        with self._lock:
            trace = self._trace(trace_id)
            if tenant in trace.tenants or len(trace.tenants) > 1:
                return []
            tenants = (*trace.tenants, tenant)
            self._put(trace_id, _Trace(tenants, trace.calls if len(tenants) == 1 else ()))
        return [
            call._replace(attribution=_of_trace(call.attribution, tenant)) for call in trace.calls
        ]

    def bound(self, trace_id: int, observation: Observation) -> Observation:
        """The observation of a call, for the tenant of its trace if it names none itself.

        Args:
            trace_id: Of its trace.
            observation: It, by what its own span and resource say.
        """
        if observation.attribution.absent != "missing":
            return observation
        with self._lock:
            trace = self._trace(trace_id)
            if len(trace.tenants) < 2:
                self._keep(trace_id, trace, observation)
        if not trace.tenants:
            return observation
        if len(trace.tenants) > 1:
            absent = observation.attribution._replace(absent="conflict")
            return observation._replace(attribution=absent)
        (tenant,) = trace.tenants
        return observation._replace(attribution=_of_trace(observation.attribution, tenant))

    def _keep(self, trace_id: int, trace: _Trace, call: Observation) -> None:
        if len(trace.calls) >= _CALLS_OF_TRACE_MAX:
            self.forgotten += 1
            return
        self._put(trace_id, _Trace(trace.tenants, (*trace.calls, call)))
        self._calls += 1

    def _trace(self, trace_id: int) -> _Trace:
        return self._young.get(trace_id) or self._old.get(trace_id) or _UNKNOWN

    def _put(self, trace_id: int, trace: _Trace) -> None:
        now_s = self._clock_s()
        is_full = len(self._young) >= _TRACES_MAX or self._calls >= _CALLS_MAX
        if is_full or now_s >= self._until_s:
            if is_full:
                self.forgotten += len(self._old)
            self._old, self._young = self._young, {}
            self._calls, self._until_s = 0, now_s + _AGE_S
        self._young[trace_id] = trace


def _of_trace(attribution: Attribution, tenant: str) -> Attribution:
    return attribution._replace(tenant=tenant, source="trace", absent=None)
