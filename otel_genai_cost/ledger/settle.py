"""Which observations are one provider response: a pure function of a set of observations.

Sorted by (end, id), each observation joins at most one response, by the strongest rule that holds:

0.  the same observation id: the live copy and a replay's of one span
1.  the same provider and response id, with equal usage and overlapping in time, or one is a poll
2.  ancestor and descendant with equal usage, or an ancestor that is the sum of two or more below it
3.  another scope in the same process, equal tokens, overlapping; at most one observation a scope, never two tenants

An observation without usage joins by rule 1, or by rule 2 if exactly one response stands above or below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.verdict import Member, Verdict, verdict_of
from otel_genai_cost.usage.leaves import NO_USAGE

__all__ = ["RULES", "SKEW_US", "Settlement", "may_join", "offered", "settle", "sought"]

SKEW_US: Final = 2_000_000
"""Clocks of two processes that describe one response may differ by this much."""

_STRETCH_US: Final = 10_000_000
_STRETCHES_MAX: Final = 60

Key = tuple[object, ...]


class Settlement(NamedTuple):
    """The responses, and the observations that count for none, with the reason: `sum`, `aggregate` or `context`."""

    verdicts: tuple[Verdict, ...]
    ignored: Mapping[str, str]


def offered(one: Observation) -> Iterator[Key]:
    """The keys under which an observation can be found by those it might be joined with."""
    yield ("id", one.id)
    yield ("own", one.trace_id, one.span_id)
    for ancestor in one.path:
        yield ("above", one.trace_id, ancestor)
    yield from _response_keys(one)
    yield from _twin_keys(one, "ended", "ran")


def sought(one: Observation) -> Iterator[Key]:
    """The keys that those offer whom an observation might be joined with: each key's other side."""
    yield ("id", one.id)
    yield ("above", one.trace_id, one.span_id)
    for ancestor in one.path:
        yield ("own", one.trace_id, ancestor)
    yield from _response_keys(one)
    yield from _twin_keys(one, "ran", "ended")


def _response_keys(one: Observation) -> Iterator[Key]:
    if one.reading.response_id is not None:
        yield ("response", one.reading.provider, one.reading.response_id)


def _twin_keys(one: Observation, at_end: str, while_running: str) -> Iterator[Key]:
    """Two spans that overlap: one of them ended while the other ran. Time is cut into stretches, so that a search
    stays near; of a very long call only the last ones count."""
    if one.reading.role != "response" or _input(one) is None:
        return
    last = one.end_us // _STRETCH_US
    first = max((one.start_us - SKEW_US) // _STRETCH_US, last - _STRETCHES_MAX)
    yield (at_end, one.origin.process, _input(one), last)
    for stretch in range(first, (one.end_us + SKEW_US) // _STRETCH_US + 1):
        yield (while_running, one.origin.process, _input(one), stretch)


class _Groups:
    """The responses so far, found by the keys of their members."""

    def __init__(self) -> None:
        self.members: list[list[Member]] = []
        self._by_key: dict[Key, list[int]] = {}

    def near(self, one: Observation) -> list[int]:
        """Responses that might be `one`'s, in the order they were founded."""
        return sorted({at for key in sought(one) for at in self._by_key.get(key, ())})

    def below(self, at: int) -> set[int]:
        """Responses with a member below a member of response `at`."""
        spans = [m.observation for m in self.members[at]]
        found = (self._by_key.get(("above", one.trace_id, one.span_id), ()) for one in spans)
        return {other for places in found for other in places if other != at}

    def add(self, at: int | None, member: Member) -> None:
        """Add to response `at`, or found one."""
        if at is None:
            at = len(self.members)
            self.members.append([])
        self.members[at].append(member)
        for key in offered(member.observation):
            places = self._by_key.setdefault(key, [])
            if at not in places[-1:]:
                places.append(at)


def settle(
    observations: Iterable[Observation], unlinks: frozenset[str] = frozenset()
) -> Settlement:
    """Settle a set of observations. `unlinks` names observations that must stand alone."""
    ordered = _sorted(observations)
    calls = [one for one in ordered if one.reading.role in ("response", "poll")]
    groups = _Groups()
    silent = [one for one in calls if one.reading.usage is NO_USAGE]
    for one in calls:
        if one.reading.usage is not NO_USAGE:
            _place(one, groups, unlinks)
    for one in silent:
        _place_silent(one, groups, unlinks)
    ignored = {one.id: "context" for one in ordered if one.reading.role == "context"}
    sums = [at for at in range(len(groups.members)) if _is_sum(at, groups, unlinks)]
    for at in sums:
        ignored.update({member.observation.id: "sum" for member in groups.members[at]})
    _place_aggregates(ordered, groups, ignored)
    wrappers = _by_span(one for one in ordered if one.reading.role in ("context", "aggregate"))
    verdicts = [
        verdict_of(sorted(members, key=_member_order), wrappers)
        for at, members in enumerate(groups.members)
        if at not in sums
    ]
    return Settlement(tuple(verdicts), ignored)


def _sorted(observations: Iterable[Observation]) -> list[Observation]:
    """By (end, id). Copies of one span that differ are told apart by all they say, which is slow, and rare."""
    ordered = sorted(observations, key=lambda one: (one.end_us, one.id))
    if len({one.id for one in ordered}) < len(ordered):
        ordered.sort(key=lambda one: (one.end_us, one.id, repr(one)))
    return ordered


def _member_order(member: Member) -> tuple[int, str]:
    return (member.observation.end_us, member.observation.id)


def _by_span(wrappers: Iterable[Observation]) -> dict[tuple[str, str], list[Observation]]:
    found: dict[tuple[str, str], list[Observation]] = {}
    for one in wrappers:
        found.setdefault((one.trace_id, one.span_id), []).append(one)
    return found


def _place(one: Observation, groups: _Groups, unlinks: frozenset[str]) -> None:
    """Join the response with the strongest rule; the earliest of equals."""
    best: tuple[int, int] | None = None
    for at in groups.near(one):
        rule = _group_rule(one, groups.members[at], unlinks)
        if rule is not None and (best is None or rule < best[0]):
            best = (rule, at)
    if best is None:
        groups.add(None, Member(one, None))
    else:
        groups.add(best[1], Member(one, best[0]))


def _place_silent(one: Observation, groups: _Groups, unlinks: frozenset[str]) -> None:
    """An observation without usage: rules 0 and 1, else the one response above or below it."""
    near = groups.near(one)
    strong = [
        (rule, at)
        for at in near
        if (rule := _group_rule(one, groups.members[at], unlinks)) is not None and rule <= 1
    ]
    if strong:
        rule, at = min(strong)
        groups.add(at, Member(one, rule))
        return
    kin = [at for at in near if _is_silent_kin(one, groups.members[at])]
    if len(kin) == 1 and one.id not in unlinks:
        groups.add(kin[0], Member(one, 2))
    else:
        groups.add(None, Member(one, None))


def _is_silent_kin(one: Observation, group: list[Member]) -> bool:
    """Above or below, and of one mind about failing: a failed attempt is no part of the answer that came after it."""
    failed = one.reading.error is not None
    return any(
        _kin(one, member.observation) and failed == (member.observation.reading.error is not None)
        for member in group
    )


def _group_rule(one: Observation, group: list[Member], unlinks: frozenset[str]) -> int | None:
    """The strongest rule by which `one` belongs to a response."""
    rules = [may_join(one, member.observation, unlinks) for member in group]
    found = [rule for rule in rules if rule is not None]
    if not found:
        return None
    if (rule := min(found)) == 3 and one.scope in {m.observation.scope for m in group}:
        return None
    return rule


def may_join(
    one: Observation, other: Observation, unlinks: frozenset[str] = frozenset()
) -> int | None:
    """The strongest rule that holds between two observations, None if they are two responses."""
    if one.id == other.id:
        return 0
    if one.id in unlinks or other.id in unlinks:
        return None
    for number, rule in RULES:
        if rule(one, other):
            return number
    return None


def _same_response(one: Observation, other: Observation) -> bool:
    """Rule 1. An equal id alone proves nothing: one provider draws from 999 ids."""
    mine, theirs = one.reading, other.reading
    if mine.response_id is None or mine.response_id != theirs.response_id:
        return False
    if mine.provider != theirs.provider:
        return False
    if "poll" in (mine.role, theirs.role):
        return True
    unknown = _input(one) is None or _input(other) is None
    return (unknown or _input(one) == _input(other)) and _overlap(one, other)


def _nested(one: Observation, other: Observation) -> bool:
    """Rule 2: above one another, and equal usage. A different usage is an LLM called inside an LLM call."""
    return _kin(one, other) and _input(one) is not None and _input(one) == _input(other)


def _side_by_side(one: Observation, other: Observation) -> bool:
    """Rule 3."""
    if one.scope == other.scope or one.origin.process != other.origin.process:
        return False
    tenants = {one.attribution.tenant, other.attribution.tenant} - {None}
    if len(tenants) > 1 or _input(one) is None or _input(one) != _input(other):
        return False
    outputs = {one.reading.usage.output_total, other.reading.usage.output_total} - {None}
    return len(outputs) <= 1 and _overlap(one, other)


RULES: Final[tuple[tuple[int, Callable[[Observation, Observation], bool]], ...]] = (
    (1, _same_response),
    (2, _nested),
    (3, _side_by_side),
)
"""Strongest first; rule 0 is identity."""


def _input(one: Observation) -> int | None:
    return one.reading.usage.input_total


def _kin(one: Observation, other: Observation) -> bool:
    return one.trace_id == other.trace_id and (
        one.span_id in other.path or other.span_id in one.path
    )


def _overlap(one: Observation, other: Observation) -> bool:
    return min(one.end_us, other.end_us) - max(one.start_us, other.start_us) >= -SKEW_US


def _is_sum(at: int, groups: _Groups, unlinks: frozenset[str]) -> bool:
    """Whether a response only adds up two or more responses below it."""
    members = groups.members[at]
    total = _group_input(members)
    if total is None or any(member.observation.id in unlinks for member in members):
        return False
    totals = [_group_input(groups.members[below]) for below in groups.below(at)]
    known = [below for below in totals if below is not None]
    return len(known) >= 2 and len(known) == len(totals) and sum(known) == total


def _group_input(members: list[Member]) -> int | None:
    totals = (_input(member.observation) for member in members)
    return next((total for total in totals if total is not None), None)


def _place_aggregates(ordered: list[Observation], groups: _Groups, ignored: dict[str, str]) -> None:
    """An aggregate counts only if nothing below it was observed; copies of it are one."""
    above = {
        (one.trace_id, ancestor)
        for one in ordered
        if one.reading.role != "context"
        for ancestor in one.path
    }
    for one in ordered:
        if one.reading.role != "aggregate":
            continue
        if (one.trace_id, one.span_id) in above:
            ignored[one.id] = "aggregate"
        else:
            same = [at for at in groups.near(one) if _holds(groups.members[at], one.id)]
            groups.add(same[0] if same else None, Member(one, 0 if same else None))


def _holds(group: list[Member], observation_id: str) -> bool:
    return any(member.observation.id == observation_id for member in group)
