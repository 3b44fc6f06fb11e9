"""What was metered a moment ago, so that a trace shows one cost for one response.

A view only: it marks a later span of the same response as a duplicate, best effort, by what `same_response` says of
two observations; the ledger decides about money. Bounded by count and age; what is forgotten early is counted.

It takes no lock. A span may end in a finalizer that the garbage collector runs in the middle of `note`, on the same
thread; each step below is one operation of a dict or list, so whatever comes between finds nothing half done.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.same_response import (
    has_failed,
    may_be_one,
    strongest_rule,
)
from otel_genai_cost.usage.leaves import NO_USAGE
from otel_genai_cost.vocabulary import Role
from otel_genai_cost.wide_rows import wide_row

__all__ = ["AGE_LIMIT_US", "COUNT_LIMIT", "Recent"]

COUNT_LIMIT: Final = 4_096
AGE_LIMIT_US: Final = 60_000_000
_GENERATION: Final = COUNT_LIMIT // 2
_TWINS_MAX: Final = 16
"""Equal responses at one time that are kept apart; of more, the view forgets the oldest."""

_REPEATS_MAX: Final = 8
"""How many later observations of a response are kept to compare others with: of more the first will do."""

_REPORTERS_MAX: Final = 1_024
_WRAPPERS: Final = ("aggregate", "cumulative")


class _Seen(NamedTuple):
    """An observation as far as it takes to recognise its response again (a `same_response.Described`).

    The whole of it would keep its usage, prices and labels alive for a minute. `is_silent`: it reports no usage.
    """

    id: str
    trace_id: str
    span_id: str
    path: tuple[str, ...]
    start_us: int
    end_us: int
    role: Role
    is_batch: bool
    provider: str | None
    response_id: str | None
    input_total: int | None
    output_total: int | None
    reporter: str
    process: str
    tenant: str | None
    error: str | None
    is_silent: bool


class _Below(NamedTuple):
    """The responses below a span: the trace of all, the first and the latest, how many they are, the sum of their
    input, and whether one of them has no tenant."""

    trace_id: str
    first: _Seen
    last: _Seen
    responses: int
    input_total: int
    lacks_tenant: bool


_TwinKey: TypeAlias = "tuple[str, int | None, int | None]"


class _Generation:
    """Responses in the order in which they came, and by what they are found; `repeats` are later observations of one,
    by its id. Dropped as a whole, which costs less than to forget one response for each that comes."""

    __slots__ = (
        "below",
        "by_response",
        "repeats",
        "responses",
        "successors",
        "tenantless",
        "twins",
        "until_us",
    )

    def __init__(self, until_us: int = 0) -> None:
        self.until_us = until_us
        self.successors: list[_Generation] = []
        self.responses: list[_Seen] = []
        self.by_response: dict[str, _Seen] = {}
        self.below: dict[str, _Below] = {}
        self.twins: dict[_TwinKey, tuple[_Seen, ...]] = {}
        self.repeats: dict[str, list[_Seen]] = {}
        self.tenantless = 0

    def add(self, seen: _Seen) -> None:
        """Remember a response; not yet what is below the spans above it."""
        self.responses.append(seen)
        if seen.response_id is not None:
            self.by_response[seen.response_id] = seen
        if seen.tenant is None:
            self.tenantless += 1

    def add_twin(self, seen: _Seen) -> None:
        """Let a response be found by its tokens."""
        if seen.input_total is not None:
            key = _twin_key(seen)
            self.twins[key] = (*self.twins.get(key, ())[1 - _TWINS_MAX :], seen)

    def add_repeat(self, first: _Seen, seen: _Seen) -> None:
        """Remember that a response was observed again. A poll says nothing that its response did not."""
        repeats = self.repeats.setdefault(first.id, [])
        if seen.role != "poll" and len(repeats) < _REPEATS_MAX:
            repeats.append(seen)
            if seen.response_id is not None:
                self.by_response.setdefault(seen.response_id, first)


class Recent:
    """The latest responses, by their provider's id, by the spans above them and by their tokens. Safe for threads.

    `evicted` counts those that had to go before their time.
    """

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """In the child: begin anew."""
        self._young, self._old = _Generation(), _Generation()
        self._reporters: set[str] = set()
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._young.responses) + len(self._old.responses)

    @property
    def tenantless(self) -> int:
        """How many of the responses lack a tenant, as a quick test before `wants_tenant`."""
        return self._young.tenantless + self._old.tenantless

    def note(self, observation: Observation) -> str | None:
        """Remember a response.

        Args:
            observation: What was metered just now.

        Returns:
            The id of the observation whose response it describes again, None if it is the first.
        """
        seen = _seen(observation)
        if seen.role == "context":
            return None
        young = self._generation(seen.end_us)
        has_twins = self._is_one_of_several(seen.reporter)
        first = self._first(seen, has_twins=has_twins)
        if first is not None and seen.end_us - first.end_us <= AGE_LIMIT_US:
            young.add_repeat(first, seen)
            return first.id
        young.add(seen)
        if has_twins:
            young.add_twin(seen)
        for ancestor in seen.path:
            young.below[ancestor] = _with(self._below(ancestor), seen)
        return None

    def wants_tenant(self, trace_id: str, span_id: str) -> bool:
        """Whether a response below this span is known to lack a tenant."""
        below = self._below(span_id)
        return below is not None and below.trace_id == trace_id and below.lacks_tenant

    def _generation(self, now_us: int) -> _Generation:
        """The generation that takes what comes now; a full one becomes the old one, unless that is too old itself."""
        full = self._young
        if now_us <= full.until_us and len(full.responses) < _GENERATION:
            return full
        since_us = now_us - AGE_LIMIT_US
        latest = full.responses[-1:]
        is_old = not latest or latest[0].end_us < since_us
        too_early = sum(seen.end_us >= since_us for seen in self._old.responses)
        fresh = _Generation(now_us + AGE_LIMIT_US)
        full.successors.append(fresh)
        # The first thread's: another one's would take the place of what has notes by now.
        successor = full.successors[0]
        if successor is fresh:
            self.evicted += too_early
        if self._young is full:
            self._old = _Generation() if is_old else full
            self._young = successor
        return successor

    def _first(self, seen: _Seen, *, has_twins: bool) -> _Seen | None:
        """The response that is observed again, if it is remembered."""
        by_id = None if seen.response_id is None else self._by_id(seen.response_id)
        if by_id is not None and self._is_one_response(by_id, seen):
            return by_id
        below = self._below(seen.span_id)
        if below is not None:
            if self._is_one_response(below.last, seen):
                return below.last
            if _is_wrapper(seen, below):
                return below.first
        if has_twins and seen.input_total is not None:
            key = _twin_key(seen)
            for twin in (*self._old.twins.get(key, ()), *self._young.twins.get(key, ())):
                if self._is_one_response(twin, seen):
                    return twin
        return None

    def _by_id(self, response_id: str) -> _Seen | None:
        return self._young.by_response.get(response_id) or self._old.by_response.get(response_id)

    def _below(self, span_id: str) -> _Below | None:
        return self._young.below.get(span_id) or self._old.below.get(span_id)

    def _is_one_response(self, first: _Seen, seen: _Seen) -> bool:
        """Whether the ledger would join an observation to a response, by what is remembered of that.

        A call that reports its usage repeats neither a poll nor a call that reports none: the trace would show no cost
        at all.
        """
        has_cost = seen.input_total is not None and seen.role != "poll"
        if has_cost and (first.input_total is None or first.role == "poll"):
            return False
        known = [first]
        for generation in (self._old, self._young):
            known += generation.repeats.get(first.id, ())
        return any(strongest_rule(one, seen) is not None for one in known) and all(
            may_be_one(one, seen) for one in known
        )

    def _is_one_of_several(self, reporter: str) -> bool:
        """Whether another reporter describes calls as well; only then are there twins, and an index of them."""
        if reporter not in self._reporters:
            if len(self._reporters) >= _REPORTERS_MAX:
                self._reporters.clear()
            self._reporters.add(reporter)
            if len(self._reporters) == 2:
                for generation in (self._old, self._young):
                    for seen in tuple(generation.responses):
                        generation.add_twin(seen)
        return len(self._reporters) > 1


def _seen(observation: Observation) -> _Seen:
    reading = observation.reading
    usage = reading.usage
    seen: _Seen = wide_row(
        _Seen,
        (
            observation.id,
            observation.trace_id,
            observation.span_id,
            observation.path,
            observation.start_us,
            observation.end_us,
            reading.role,
            observation.is_batch,
            reading.provider,
            reading.response_id,
            usage.input_total,
            usage.output_total,
            observation.reporter,
            observation.origin.process,
            observation.attribution.tenant,
            reading.error,
            usage is NO_USAGE,
        ),
    )
    return seen


def _twin_key(seen: _Seen) -> _TwinKey:
    return seen.process, seen.input_total, seen.output_total


def _with(below: _Below | None, seen: _Seen) -> _Below:
    """What is below a span, with one more response."""
    tokens, lacks_tenant = seen.input_total or 0, seen.tenant is None
    if below is None or below.trace_id != seen.trace_id:
        return _Below(seen.trace_id, seen, seen, 1, tokens, lacks_tenant)
    trace_id, first, _, responses, input_total, lacked_tenant = below
    lacks_tenant = lacks_tenant or lacked_tenant
    return _Below(trace_id, first, seen, responses + 1, input_total + tokens, lacks_tenant)


def _is_wrapper(seen: _Seen, below: _Below) -> bool:
    """Whether a span only repeats what is below it: it says so, it is the sum of several, or it has no usage of its own
    and there is one response, which failed if it did."""
    if below.trace_id != seen.trace_id:
        return False
    if seen.role in _WRAPPERS:
        return True
    if seen.is_silent:
        return below.responses == 1 and has_failed(below.first) == has_failed(seen)
    return below.responses > 1 and seen.input_total == below.input_total
