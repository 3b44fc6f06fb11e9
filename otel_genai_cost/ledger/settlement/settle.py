"""Which observations are one provider response: a pure function of a set of observations.

Sorted by (end, id), each observation joins at most one response, by the strongest rule that holds; rule 3 comes after
the others, between whole responses:

0.  the same observation id: the live copy and a replay's of one span
1.  the same provider and response id, with equal usage and overlapping in time, or one is a poll
2.  ancestor and descendant with equal usage, or an ancestor that is the sum of two or more below it
3.  another scope in the same process, equal tokens, overlapping; at most one observation a scope, never two tenants

An observation without usage joins by rule 1, or by rule 2 if exactly one response stands above or below it. Of those
that repeat what is below them, an aggregate counts only if nothing below it was observed, a cumulative one never.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.same_response import are_nested, has_failed, may_be_one
from otel_genai_cost.ledger.settlement.evidence import (
    Key,
    links_offered,
    links_sought,
)
from otel_genai_cost.ledger.settlement.rules import may_join
from otel_genai_cost.ledger.settlement.strangers import strangers
from otel_genai_cost.ledger.settlement.twins import Twins
from otel_genai_cost.ledger.settlement.verdict import Above, Member, Verdict, verdict_of
from otel_genai_cost.usage.leaves import NO_USAGE

__all__ = ["Settlement", "before_twins", "settle"]

_TWINS_MAX: Final = 64
"""How many equal responses are looked at for the one in the same trace."""

_TWINS_TRIED_MAX: Final = 1_024
_POLLS_MAX: Final = 8
_COMPARED_MAX: Final = 128
"""How many spans of a response others are compared with."""


_NOTHING_ABOVE: Final = Above((), ())
_Founded = tuple[bool, int, str]


class Settlement(NamedTuple):
    """The responses, and the observations that count for none, with the reason: `sum`, `aggregate`, `cumulative` or
    `context`."""

    verdicts: tuple[Verdict, ...]
    ignored: Mapping[str, str]


def settle(
    observations: Iterable[Observation], unlinks: frozenset[str] = frozenset()
) -> Settlement:
    """Which observations are one response, and what each response comes to.

    The order of steps is the order of proof. What carries usage is placed first, by rules 0 to 2, in the order of its
    end: that order, not the order of arrival, decides between equals. Twins (rule 3) are joined between whole responses
    and after everything that is proved, so that a guess never stands in a proof's way. Sums are found when no response
    grows any more. What carries no usage comes last: it joins by where it stands, and must not be what makes a response
    ambiguous for others. Wrappers are never placed; they only say for whom a call was. Who is alone needs none of this.

    Args:
        observations: in any order; the result does not depend on it.
        unlinks: ids of observations that must stand alone.

    Returns:
        The verdicts in the order in which responses were founded, and what counts for none.
    """
    ordered, superseded = _without_superseded(_sorted(observations))
    alone = strangers(ordered)
    rest = [one for at, one in enumerate(ordered) if at not in alone] if alone else ordered
    found, ignored = _together(rest, unlinks)
    for one in map(ordered.__getitem__, alone):
        found.append((_founded(one), verdict_of((Member(one, None),), _NOTHING_ABOVE)))
    found.sort(key=itemgetter(0))
    verdicts = [verdict for _, verdict in found]
    if superseded:
        verdicts = [_with_starts(verdict, superseded) for verdict in verdicts]
    return Settlement(tuple(verdicts), ignored)


def _together(
    ordered: list[Observation], unlinks: frozenset[str]
) -> tuple[list[tuple[_Founded, Verdict]], dict[str, str]]:
    """The verdicts on those that may belong together, each with when it was founded; and what counts for none."""
    ignored = _wrappers(ordered, unlinks)
    calls = [one for one in ordered if one.id not in ignored]
    groups = _placed(calls, unlinks, Above(ordered, ignored))
    groups.join_twins()
    sums = _sums(groups, unlinks)
    for one in calls:
        if one.reading.usage is NO_USAGE:
            groups.place_silent(one, sums)
    for at in sums:
        ignored.update({member.observation.id: "sum" for member in groups.members[at]})
    above = Above(ordered, ignored)
    found = [
        (
            _founded(groups.members[at][0].observation),
            verdict_of(sorted(groups.members[at], key=_member_order), above),
        )
        for at in groups.places()
        if at not in sums
    ]
    return found, ignored


def _founded(founder: Observation) -> _Founded:
    """When a response was founded: those that report no usage come after all others."""
    return founder.reading.usage is NO_USAGE, founder.end_us, founder.id


def before_twins(observations: Iterable[Observation]) -> list[list[Observation]]:
    """The responses as rules 0 to 2 find them, before twins are joined: of each the observations that it is compared
    with others by.

    Args:
        observations: with everything that these rules might join with one of them.
    """
    ordered, _ = _without_superseded(_sorted(observations))
    ignored = _wrappers(ordered, frozenset())
    calls = [one for one in ordered if one.id not in ignored]
    return _placed(calls, frozenset(), Above(ordered, ignored)).compared()


def _placed(calls: Iterable[Observation], unlinks: frozenset[str], above: Above) -> _Groups:
    """What carries usage, joined by rules 0 to 2."""
    groups = _Groups(unlinks, above)
    for one in calls:
        if one.reading.usage is not NO_USAGE:
            groups.place(one)
    return groups


def _without_superseded(
    ordered: list[Observation],
) -> tuple[list[Observation], dict[str, list[Observation]]]:
    """Without calls that were taken for unfinished and ended after all: their end says what their start did, and more.
    Those starts, by id."""
    if not any(one.cost.reason == "unfinished" for one in ordered):
        return ordered, {}
    ended = {one.id for one in ordered if one.cost.reason != "unfinished"}
    superseded: dict[str, list[Observation]] = {}
    left: list[Observation] = []
    for one in ordered:
        is_superseded = one.cost.reason == "unfinished" and one.id in ended
        (superseded.setdefault(one.id, []) if is_superseded else left).append(one)
    return left, superseded


def _with_starts(verdict: Verdict, superseded: Mapping[str, list[Observation]]) -> Verdict:
    """The starts belong to the charge, and say nothing of it."""
    ids = dict.fromkeys(member.observation.id for member in verdict.members)
    starts = [Member(start, 0) for one in ids for start in superseded.get(one, ())]
    return verdict._replace(members=(*verdict.members, *starts)) if starts else verdict


def _sorted(observations: Iterable[Observation]) -> list[Observation]:
    """By (end, id). Copies of one span that differ are sorted by all they say, which is slow, and rare."""
    ordered = sorted(observations, key=attrgetter("end_us", "id"))
    if len({one.id for one in ordered}) < len(ordered):
        ordered.sort(key=lambda one: (one.end_us, one.id, repr(one)))
    return ordered


def _member_order(member: Member) -> tuple[int, str]:
    return (member.observation.end_us, member.observation.id)


def _wrappers(ordered: list[Observation], unlinks: frozenset[str]) -> dict[str, str]:
    """Those that only stand around a response, with the reason."""
    parents = {
        (one.trace_id, ancestor)
        for one in ordered
        if one.reading.role != "context"
        for ancestor in one.path
    }
    found: dict[str, str] = {}
    for one in ordered:
        role = one.reading.role
        repeats = role == "aggregate" and (one.trace_id, one.span_id) in parents
        if role == "context" or ((repeats or role == "cumulative") and one.id not in unlinks):
            found[one.id] = role
    return found


class _Groups:
    """The responses so far, found by the keys of their members.

    A response may be found to be another's: then its place is empty. Twins (rule 3) have an index of their own, by the
    scopes a response has been seen by: a process that makes the same call a thousand times a second is searched in one
    step.
    """

    def __init__(self, unlinks: frozenset[str], above: Above) -> None:
        self.members: list[list[Member]] = []
        self._unlinks, self._above = unlinks, above
        self._by_key: dict[Key, list[int]] = {}
        self._compared: list[list[Observation]] = []
        self._moved: dict[int, int] = {}

    def places(self) -> list[int]:
        """The responses, in the order they were founded."""
        return [at for at, members in enumerate(self.members) if members]

    def compared(self) -> list[list[Observation]]:
        """Of each response, the members that others are compared with."""
        return [self._compared[at] for at in self.places()]

    def near(self, one: Observation) -> list[int]:
        """Responses that rules 0 to 2 might join `one` with, in the order they were founded."""
        found = (self._by_key.get(key, ()) for key in links_sought(one))
        return sorted({self._now(at) for places in found for at in places})

    def below(self, at: int) -> set[int]:
        """Responses with a member below a member of response `at`."""
        spans = [m.observation for m in self.members[at]]
        found = (self._by_key.get(("above", one.trace_id, one.span_id), ()) for one in spans)
        return {now for places in found for other in places if (now := self._now(other)) != at}

    def place(self, one: Observation) -> None:
        """Join the response with the strongest of rules 0 to 2, the earliest of equals; else found one. What it proves
        to be the same response as well is joined to that."""
        found = sorted(
            (rule, at)
            for at in self.near(one)
            if (rule := self._rule(one, at)) is not None and rule <= 2 and self._agrees(one, at)
        )
        self._add(one, found[0] if found else None)
        for rule, at in found[1:]:
            self._join(found[0][1], at, rule)

    def place_silent(self, one: Observation, sums: frozenset[int]) -> None:
        """An observation without usage: rules 0 and 1, else the one response above or below it."""
        near = [at for at in self.near(one) if at not in sums]
        strong = [
            (rule, at) for at in near if (rule := self._rule(one, at)) is not None and rule <= 1
        ]
        if strong:
            return self._add(one, min(strong))
        related = [at for at in near if _may_be_about(one, self._compared[at])]
        alone = len(related) != 1 or self._is_unlinked(one, related[0])
        return self._add(one, None if alone else (2, related[0]))

    def join_twins(self) -> None:
        """Rule 3, between whole responses: each joins the earliest that it fits, one of its own trace before others."""
        scopes: dict[str, set[str]] = {}
        for one in (member.observation for members in self.members for member in members):
            scopes.setdefault(one.origin.process, set()).add(one.reporter)
        shared = {process for process, seen in scopes.items() if len(seen) > 1}
        twins = Twins()
        for at in self.places() if shared else ():
            if any(one.origin.process in shared for one in self._compared[at]):
                twins.add(self._join_twin(at, twins), *self._seen_as(at))

    def _join_twin(self, at: int, twins: Twins) -> int:
        """Where a response is now: joined to an earlier one, or where it was."""
        tried = islice(twins.of(*self._seen_as(at)), _TWINS_TRIED_MAX)
        found = list(islice((other for other in tried if self._fits(at, other)), _TWINS_MAX))
        if not found:
            return at
        traces = {one.trace_id for one in self._compared[at]}
        same = (o for o in found if any(one.trace_id in traces for one in self._compared[o]))
        earlier = next(same, found[0])
        twins.remove(earlier, *self._seen_as(earlier))
        self._join(earlier, at, 3)
        return earlier

    def _seen_as(self, at: int) -> tuple[list[Observation], str | None]:
        """What twins are found by: the members, and the tenant."""
        tenants = {tenant for one in self._compared[at] for tenant in self._above.tenants(one)}
        return self._compared[at], min(tenants, default=None)

    def _now(self, at: int) -> int:
        while at in self._moved:
            at = self._moved[at]
        return at

    def _compare_with(self, at: int, one: Observation) -> None:
        """Remember a member that others are compared with: of very many the first will do."""
        compared = self._compared[at]
        if one.reading.role == "poll":
            if sum(known.reading.role == "poll" for known in compared) < _POLLS_MAX:
                compared.append(one)
        elif len(compared) < _COMPARED_MAX:
            compared.append(one)

    def _rule(self, one: Observation, at: int) -> int | None:
        """The strongest rule by which `one` belongs to a response."""
        rules = (may_join(one, other, self._unlinks) for other in self._compared[at])
        return min((rule for rule in rules if rule is not None), default=None)

    def _agrees(self, one: Observation, at: int) -> bool:
        """Whether no member of a response says that `one` is another's."""
        return all(may_be_one(one, other) for other in self._compared[at])

    def _fits(self, at: int, other: int) -> bool:
        """Whether rule 3 holds between two responses as a whole: never two tenants."""
        mine, theirs = self._compared[at], self._compared[other]
        tenants = {tenant for each in (*mine, *theirs) for tenant in self._above.tenants(each)}
        return (
            len(tenants) <= 1
            and any(may_join(a, b, self._unlinks) == 3 for a in mine for b in theirs)
            and all(may_be_one(a, b) for a in mine for b in theirs)
            and self._unlinks.isdisjoint(one.id for one in (*mine, *theirs))
        )

    def _is_unlinked(self, one: Observation, at: int) -> bool:
        if not self._unlinks:
            return False
        ids = {one.id, *(member.observation.id for member in self.members[at])}
        return not self._unlinks.isdisjoint(ids)

    def _join(self, at: int, other: int, rule: int) -> None:
        """Two responses are one, if nothing speaks against it: the founder of `other` joins by `rule`."""
        at, other = self._now(at), self._now(other)
        if at == other or not all(self._agrees(one, at) for one in self._compared[other]):
            return
        moved = [Member(one, rule if by is None else by) for one, by in self.members[other]]
        self.members[at] += moved
        for one in self._compared[other]:
            self._compare_with(at, one)
        self.members[other], self._compared[other] = [], []
        self._moved[other] = at

    def _add(self, one: Observation, best: tuple[int, int] | None) -> None:
        """Add to a response by a rule, or found one."""
        if best is None:
            self.members.append([])
            self._compared.append([])
        rule, at = best or (None, len(self.members) - 1)
        self.members[at].append(Member(one, rule))
        self._compare_with(at, one)
        for key in links_offered(one):
            places = self._by_key.setdefault(key, [])
            if at not in places[-1:]:
                places.append(at)


def _may_be_about(one: Observation, members: list[Observation]) -> bool:
    """Whether an observation without usage stands above or below a member, and both failed or neither did: a failed
    attempt is no part of the answer that came after it."""
    return any(are_nested(one, other) and has_failed(one) == has_failed(other) for other in members)


def _sums(groups: _Groups, unlinks: frozenset[str]) -> frozenset[int]:
    """Responses that only add up two or more below them.

    The innermost is looked at first, since a sum is not added again: of a run of two steps of two calls each, the steps
    are sums of calls, and the run is a sum of the same calls, not of steps and calls.
    """
    below = {at: groups.below(at) for at in groups.places()}
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
    totals = (member.observation.input_total for member in members)
    return next((total for total in totals if total is not None), None)
