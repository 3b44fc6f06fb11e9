"""Which observations are one provider response: a pure function of a set of observations.

Sorted by (end, id), each observation joins at most one response, by the strongest rule that holds:

0.  the same observation id: the live copy and a replay's of one span
1.  the same provider and response id, with equal usage and overlapping in time, or one is a poll
2.  ancestor and descendant with equal usage, or an ancestor that is the sum of two or more below it
3.  another scope in the same process, equal tokens, overlapping; at most one observation a scope, never two tenants

An observation without usage joins by rule 1, or by rule 2 if exactly one response stands above or below it. Of those
that repeat what is below them, an aggregate counts only if nothing below it was observed, a cumulative one never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.evidence import (
    SKEW_US,
    Key,
    is_anytime,
    links_offered,
    links_sought,
    twin_keys,
)
from otel_genai_cost.ledger.verdict import Above, Member, Verdict, verdict_of
from otel_genai_cost.usage.leaves import NO_USAGE

__all__ = ["RULES", "Settlement", "may_join", "settle"]

_TWINS_MAX: Final = 64
"""How many equal responses are looked at for the one in the same trace."""

_NONE: Final[Mapping[frozenset[str], dict[int, None]]] = MappingProxyType({})


class Settlement(NamedTuple):
    """The responses, and the observations that count for none, with the reason: `sum`, `aggregate`, `cumulative` or
    `context`."""

    verdicts: tuple[Verdict, ...]
    ignored: Mapping[str, str]


def settle(
    observations: Iterable[Observation], unlinks: frozenset[str] = frozenset()
) -> Settlement:
    """Settle a set of observations. `unlinks` names observations that must stand alone."""
    ordered = _sorted(observations)
    ignored = _wrappers(ordered, unlinks)
    calls = [one for one in ordered if one.id not in ignored]
    groups = _Groups(unlinks, Above(ordered, ignored))
    for one in calls:
        if one.reading.usage is not NO_USAGE:
            groups.place(one)
    sums = _sums(groups, unlinks)
    for one in calls:
        if one.reading.usage is NO_USAGE:
            groups.place_silent(one, sums)
    for at in sums:
        ignored.update({member.observation.id: "sum" for member in groups.members[at]})
    above = Above(ordered, ignored)
    verdicts = [
        verdict_of(sorted(members, key=_member_order), above)
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


def _wrappers(ordered: list[Observation], unlinks: frozenset[str]) -> dict[str, str]:
    """Those that only stand around a response, with the reason."""
    told_below = {
        (one.trace_id, ancestor)
        for one in ordered
        if one.reading.role != "context"
        for ancestor in one.path
    }
    found: dict[str, str] = {}
    for one in ordered:
        role = one.reading.role
        repeats = role == "aggregate" and (one.trace_id, one.span_id) in told_below
        if role == "context" or ((repeats or role == "cumulative") and one.id not in unlinks):
            found[one.id] = role
    return found


class _Groups:
    """The responses so far, found by the keys of their members.

    Twins (rule 3) have an index of their own, by the scopes a response has been seen by: a process that makes the same
    call a thousand times a second is searched in one step.
    """

    def __init__(self, unlinks: frozenset[str], above: Above) -> None:
        self.members: list[list[Member]] = []
        self._unlinks, self._above = unlinks, above
        self._by_key: dict[Key, list[int]] = {}
        self._twins: dict[Key, dict[frozenset[str], dict[int, None]]] = {}
        self._scopes: list[frozenset[str]] = []

    def near(self, one: Observation) -> list[int]:
        """Responses that rules 0 to 2 might join `one` with, in the order they were founded."""
        found = (self._by_key.get(key, ()) for key in links_sought(one))
        return sorted({at for places in found for at in places})

    def below(self, at: int) -> set[int]:
        """Responses with a member below a member of response `at`."""
        spans = [m.observation for m in self.members[at]]
        found = (self._by_key.get(("above", one.trace_id, one.span_id), ()) for one in spans)
        return {other for places in found for other in places if other != at}

    def place(self, one: Observation) -> None:
        """Join the response with the strongest rule, the earliest of equals; else found one."""
        best: tuple[int, int] | None = None
        for at in self.near(one):
            rule = self._rule(one, at)
            if rule is not None and rule <= 2 and (best is None or rule < best[0]):
                best = (rule, at)
        if best is None and (twin := self._twin(one)) is not None:
            best = (3, twin)
        self._add(one, best)

    def place_silent(self, one: Observation, sums: frozenset[int]) -> None:
        """An observation without usage: rules 0 and 1, else the one response above or below it."""
        near = [at for at in self.near(one) if at not in sums]
        strong = [
            (rule, at) for at in near if (rule := self._rule(one, at)) is not None and rule <= 1
        ]
        if strong:
            return self._add(one, min(strong))
        kin = [at for at in near if _is_silent_kin(one, self.members[at])]
        alone = len(kin) != 1 or self._is_unlinked(one, kin[0])
        return self._add(one, None if alone else (2, kin[0]))

    def _is_unlinked(self, one: Observation, at: int) -> bool:
        ids = {one.id, *(member.observation.id for member in self.members[at])}
        return not self._unlinks.isdisjoint(ids)

    def _rule(self, one: Observation, at: int) -> int | None:
        """The strongest rule by which `one` belongs to a response."""
        rules = (may_join(one, member.observation, self._unlinks) for member in self.members[at])
        return min((rule for rule in rules if rule is not None), default=None)

    def _twin(self, one: Observation) -> int | None:
        """The earliest response that rule 3 joins with `one`, one of the same trace before others."""
        found = list(islice(self._twins_of(one), _TWINS_MAX))
        for at in found:
            if any(member.observation.trace_id == one.trace_id for member in self.members[at]):
                return at
        return found[0] if found else None

    def _twins_of(self, one: Observation) -> Iterator[int]:
        output = one.reading.usage.output_total
        seen: set[int] = set()
        for key in twin_keys(one):
            for told in ("any",) if output is None else (output, None):
                for scopes, places in self._twins.get((*key, told), _NONE).items():
                    if one.scope not in scopes:
                        yield from (at for at in places if at not in seen and self._fits(one, at))
                        seen.update(places)

    def _fits(self, one: Observation, at: int) -> bool:
        """Whether rule 3 holds with the whole response: never two tenants."""
        told = [one, *(member.observation for member in self.members[at])]
        tenants = {tenant for each in told for tenant in self._above.tenants(each)}
        return len(tenants) <= 1 and self._rule(one, at) == 3

    def _add(self, one: Observation, best: tuple[int, int] | None) -> None:
        """Add to a response by a rule, or found one."""
        if best is None:
            self.members.append([])
            self._scopes.append(frozenset())
        rule, at = best or (None, len(self.members) - 1)
        self.members[at].append(Member(one, rule))
        for key in links_offered(one):
            places = self._by_key.setdefault(key, [])
            if at not in places[-1:]:
                places.append(at)
        before = self._scopes[at]
        if (
            one.scope not in before
        ):  # it moves, under each key of its members, to those seen by as many
            self._scopes[at] = before | {one.scope}
            for member in self.members[at]:
                for key in _twin_places(member.observation):
                    self._twins.get(key, _NONE).get(before, {}).pop(at, None)
        for member in self.members[at] if one.scope not in before else [Member(one, rule)]:
            for key in _twin_places(member.observation):
                self._twins.setdefault(key, {}).setdefault(self._scopes[at], {})[at] = None


def _twin_places(one: Observation) -> Iterator[Key]:
    """Where a response is found by its twins: by its output, and by any, for those that don't know theirs."""
    for key in twin_keys(one):
        yield (*key, one.reading.usage.output_total)
        yield (*key, "any")


def _is_silent_kin(one: Observation, group: list[Member]) -> bool:
    """Above or below, and of one mind about failing: a failed attempt is no part of the answer that came after it."""
    failed = one.reading.error is not None
    return any(
        _kin(one, member.observation) and failed == (member.observation.reading.error is not None)
        for member in group
    )


def _sums(groups: _Groups, unlinks: frozenset[str]) -> frozenset[int]:
    """Responses that only add up two or more below them; the innermost first, since a sum is not added again."""
    below = {at: groups.below(at) for at in range(len(groups.members))}
    found: set[int] = set()
    for at in sorted(below, key=lambda at: (len(below[at]), at)):
        members = groups.members[at]
        if len(below[at]) < 2 or any(member.observation.id in unlinks for member in members):
            continue
        totals = [_group_input(groups.members[one]) for one in below[at] - found]
        known = [total for total in totals if total is not None]
        if len(known) >= 2 and sum(known) == _group_input(members):
            found.add(at)
    return frozenset(found)


def _group_input(members: list[Member]) -> int | None:
    totals = (_input(member.observation) for member in members)
    return next((total for total in totals if total is not None), None)


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
    if not unknown and _input(one) != _input(other):
        return False
    return _meet(one, other) or (is_anytime(one) and is_anytime(other))


def _nested(one: Observation, other: Observation) -> bool:
    """Rule 2: above one another, and equal usage. A different usage is an LLM called inside an LLM call."""
    return _kin(one, other) and _input(one) is not None and _input(one) == _input(other)


def _side_by_side(one: Observation, other: Observation) -> bool:
    """Rule 3, as far as two can tell."""
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
    return _shared_us(one, other) >= -SKEW_US


def _meet(one: Observation, other: Observation) -> bool:
    """Overlap; one scope in one process has one clock, so there it must be real."""
    same_clock = one.scope == other.scope and one.origin.process == other.origin.process
    return _shared_us(one, other) >= (0 if same_clock else -SKEW_US)


def _shared_us(one: Observation, other: Observation) -> int:
    return min(one.end_us, other.end_us) - max(one.start_us, other.start_us)
