"""What was metered a moment ago, so that a trace shows one cost for one response.

A view only: it marks a later span of the same response as a duplicate, best effort, by what the ledger's rules say of
two spans; the ledger decides about money. Bounded by count and age; what is forgotten early is counted.

It takes no lock. A span may end in a finalizer that the garbage collector runs in the middle of `note`, on the same
thread; each step below is one operation of a dict or list, so whatever comes between finds nothing half done.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.usage.leaves import NO_USAGE
from otel_genai_cost.vocabulary import Role

__all__ = ["AGE_LIMIT_US", "COUNT_LIMIT", "Plain", "Recent", "Seen", "Teller", "seen_of"]

COUNT_LIMIT: Final = 4_096
AGE_LIMIT_US: Final = 60_000_000
_GENERATION: Final = COUNT_LIMIT // 2
_SKEW_US: Final = 2_000_000
_TWINS_MAX: Final = 16
"""Equal responses at one time that are told apart; of more, the view forgets the oldest."""

_SCOPES_MAX: Final = 1_024


class Teller(NamedTuple):
    """Who tells of a call, and as what: what most spans of a process have in common. `is_silent` says that there is
    neither usage nor an error, `ordinal` is that of the observation."""

    scope: str
    process: str
    role: Role
    provider: str | None
    is_silent: bool = False
    ordinal: int = 0


class Seen(NamedTuple):
    """A span that tells of a call, as far as it takes to recognise it. Ids are numbers, as the SDK has them: thousands
    of texts more would not stay in the processor's cache. Kept as plain tuples, which Python makes and unpacks
    fastest, and read by name where time allows.
    """

    trace_id: int
    span_id: int
    path: tuple[int, ...]
    start_us: int
    end_us: int
    response_id: str | None
    input_total: int | None
    output_total: int | None
    tenant: str | None
    teller: Teller

    @property
    def id(self) -> str:
        """The id of its observation."""
        return observation_id(self.trace_id, self.span_id, self.start_us, self.teller.ordinal)


_Name: TypeAlias = "str | None"
_Total: TypeAlias = "int | None"
Plain: TypeAlias = (
    "tuple[int, int, tuple[int, ...], int, int, _Name, _Total, _Total, _Name, Teller]"
)
"""A `Seen` without its names."""

_seen: Callable[[Plain], Seen] = Seen._make
_end_us: Callable[[Plain], int] = itemgetter(Seen._fields.index("end_us"))

_TwinKey: TypeAlias = "tuple[str, int | None, int | None]"


_Below: TypeAlias = "tuple[int, Plain, Plain, int | None, int, int, bool]"
"""The responses below a span: their trace, the first and the latest with its input, how many they are, what they add up
to, and whether one of them has no tenant."""


class _Generation:
    """Responses in the order in which they came, and by what they are found; `scopes` are those that told of one again,
    by its id. Dropped as a whole, which costs less than to forget one response for each that comes."""

    __slots__ = ("below", "by_response", "responses", "scopes", "tenantless", "twins", "until_us")

    def __init__(self, until_us: int = 0) -> None:
        self.until_us = until_us
        self.responses: list[Plain] = []
        self.by_response: dict[str, Plain] = {}
        self.below: dict[int, _Below] = {}
        self.twins: dict[_TwinKey, tuple[Plain, ...]] = {}
        self.scopes: dict[str, set[str]] = {}
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

    def note(self, seen: Plain) -> str | None:
        """Remember a response; the id of the one it repeats, if any."""
        trace_id, span_id, path, _, end_us, response_id, input_total, _, tenant, teller = seen
        young, old, scopes = self._young, self._old, self._scopes
        if end_us > young.until_us or len(young.responses) >= _GENERATION:
            young, old = self._next(young, end_us)
        if (  # else nothing that is remembered could be the same, as of most calls
            response_id in young.by_response
            or response_id in old.by_response
            or span_id in young.below
            or span_id in old.below
            or len(scopes) > 1
            or teller.scope not in scopes
        ):
            first = self._told_before(young, old, _seen(seen))
            if first is not None and end_us - first.end_us <= AGE_LIMIT_US:
                first_id = first.id
                young.scopes.setdefault(first_id, set()).add(teller.scope)
                return first_id
        if teller.role == "context":
            return None
        young.responses.append(seen)
        if response_id is not None:
            young.by_response[response_id] = seen
        for ancestor in path:
            below = young.below.get(ancestor) or old.below.get(ancestor)
            young.below[ancestor] = _with(below, seen, trace_id, input_total, tenant is None)
        if len(scopes) > 1:
            _index_twin(young, seen)
        if tenant is None:
            young.tenantless += 1
        return None

    def wants_tenant(self, trace_id: int, span_id: int) -> bool:
        """Whether a response below this span is known to lack a tenant."""
        below = self._below(span_id)
        if below is None:
            return False
        trace_below, *_, tenantless = below
        return trace_below == trace_id and tenantless

    def _next(self, full: _Generation, now_us: int) -> tuple[_Generation, _Generation]:
        """A new generation; the full one becomes the old one, unless that is too old itself."""
        if self._young is full:  # else another thread was faster
            since_us = now_us - AGE_LIMIT_US
            self.evicted += sum(map(since_us.__le__, map(_end_us, self._old.responses)))
            latest = full.responses[-1:]
            is_old = not latest or _end_us(latest[0]) < since_us
            self._old = _Generation() if is_old else full
            self._young = _Generation(now_us + AGE_LIMIT_US)
        return self._young, self._old

    def _told_before(self, young: _Generation, old: _Generation, seen: Seen) -> Seen | None:
        """The response that a span tells of again, if it is remembered."""
        response_id = seen.response_id
        if response_id is not None:
            found = young.by_response.get(response_id) or old.by_response.get(response_id)
            if found is not None and self._is_same_response(_seen(found), seen):
                return _seen(found)
        below = self._below(seen.span_id)
        if below is not None and (told := _told_below(below, seen)) is not None:
            return _seen(told)
        if seen.input_total is not None and self._is_one_of_several(seen.teller.scope):
            key = _twin_key(seen)
            for twin in (*old.twins.get(key, ()), *young.twins.get(key, ())):
                if self._is_twin(_seen(twin), seen):
                    return _seen(twin)
        return None

    def _below(self, span_id: int) -> _Below | None:
        return self._young.below.get(span_id) or self._old.below.get(span_id)

    def _has_told(self, scope: str, first: Seen) -> bool:
        """Whether a scope told of a response."""
        return scope == first.teller.scope or any(
            scope in generation.scopes.get(first.id, ()) for generation in (self._old, self._young)
        )

    def _is_same_response(self, first: Seen, later: Seen) -> bool:
        """The same provider's id, and equal usage overlapping in time, or a poll: an equal id alone proves nothing."""
        one, other = first.teller, later.teller
        if one.provider != other.provider:
            return False
        if other.role == "poll":
            return True
        if first.input_total != later.input_total:
            return False
        same_clock = self._has_told(other.scope, first) and other.process == one.process
        return _overlap(first, later, 0 if same_clock else _SKEW_US)

    def _is_twin(self, first: Seen, later: Seen) -> bool:
        """Another scope's view of a response in the same process, with equal tokens; never of two tenants."""
        if self._has_told(later.teller.scope, first) or not _overlap(first, later, _SKEW_US):
            return False
        return later.tenant is None or first.tenant is None or later.tenant == first.tenant

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


def seen_of(observation: Observation) -> Seen:
    """An observation as the view sees it."""
    reading = observation.reading
    usage, process = reading.usage, observation.origin.process
    is_silent = usage is NO_USAGE and reading.error is None
    role, provider, ordinal = reading.role, reading.provider, observation.ordinal
    return Seen(
        int(observation.trace_id, 16),
        int(observation.span_id, 16),
        tuple([int(ancestor, 16) for ancestor in observation.path]),
        observation.start_us,
        observation.end_us,
        reading.response_id,
        usage.input_total,
        usage.output_total,
        observation.attribution.tenant,
        Teller(observation.scope, process, role, provider, is_silent, ordinal),
    )


def _twin_key(seen: Seen) -> _TwinKey:
    return seen.teller.process, seen.input_total, seen.output_total


def _index_twin(generation: _Generation, plain: Plain) -> None:
    seen = _seen(plain)
    if seen.input_total is not None:
        key = _twin_key(seen)
        twins = generation.twins.get(key, ())
        generation.twins[key] = (*twins[1 - _TWINS_MAX :], plain)


def _with(
    below: _Below | None, seen: Plain, trace_id: int, input_total: int | None, lacks: bool
) -> _Below:
    """What is below a span, with one more response."""
    told = input_total or 0
    if below is None or below[0] != trace_id:
        return trace_id, seen, seen, input_total, 1, told, lacks
    _, first, _, _, count, total, tenantless = below
    return trace_id, first, seen, input_total, count + 1, total + told, tenantless or lacks


def _told_below(below: _Below, above: Seen) -> Plain | None:
    """What a span tells again that stands above it: the latest response, the sum of several, or, without usage of its
    own, the only one. A span that failed is none of these."""
    trace_id, first, last, last_input, count, total, _ = below
    if trace_id != above.trace_id:
        return None
    role = above.teller.role
    if role in ("aggregate", "cumulative"):
        return first
    told = above.input_total
    if told is None:
        return first if count == 1 and role == "response" and above.teller.is_silent else None
    if told == last_input:
        return last
    return first if count > 1 and told == total else None


def _overlap(first: Seen, later: Seen, skew_us: int) -> bool:
    starts_us, ends_us = max(first.start_us, later.start_us), min(first.end_us, later.end_us)
    return starts_us - ends_us <= skew_us
