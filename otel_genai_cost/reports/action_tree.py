"""The calls of an action as a tree: which was made within which, as far as spans above them are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["Branch", "action_tree", "branches"]

_PATH_MAX: Final = 64
"""Spans above a call that are looked at, the nearest first."""

_DEPTH_MAX: Final = 40
"""What is further within is shown beside each other."""

_TRACES_MAX: Final = 5
"""Traces of one action in which the names of spans are looked for."""


_NOTHING: Final[Mapping[str, None]] = {}


class Branch(NamedTuple):
    """A call, or something around calls.

    Attributes:
        span_id: where it is in its trace: a call's own span, or the one around others.
        charge_id: None for what is around others.
        name: of what is around others, what it calls itself; None if nobody told of it.
        inner: what was made within it, in order.
    """

    span_id: str
    charge_id: str | None
    name: str | None
    inner: tuple[Branch, ...]

    @property
    def charges(self) -> Iterator[str]:
        """The calls of it and within it."""
        if self.charge_id is not None:
            yield self.charge_id
        for one in self.inner:
            yield from one.charges


def action_tree(ledger: Ledger, charge_ids: Sequence[str]) -> tuple[Branch, ...]:
    """The calls of an action, each where it was made.

    Args:
        ledger: what knows their spans.
        charge_ids: the calls, in the order in which they are to be shown.

    Raises:
        LedgerError: if an observation is damaged.
    """
    members = ledger.observations.by_charge(charge_ids)
    return branches(charge_ids, members, _names(ledger, members))


def _names(ledger: Ledger, members: Mapping[str, Sequence[Observation]]) -> dict[str, str]:
    """What spans that are no calls call themselves, by span id."""
    traces = dict.fromkeys(one.trace_id for found in members.values() for one in found)
    named: dict[str, str] = {}
    for trace_id in [*traces][:_TRACES_MAX]:
        for stored in ledger.observations.find(trace_id):
            one = stored.observation
            if stored.charge_id is None and one.trace_id == trace_id:
                named.setdefault(one.span_id, _name(one))
    return named


def _name(one: Observation) -> str:
    labels = one.attribution.labels
    said = labels.get("agent") or labels.get("workflow") or one.reading.operation
    return f"{said}, {one.scope}" if said else one.scope


def branches(
    charge_ids: Sequence[str],
    members: Mapping[str, Sequence[Observation]],
    names: Mapping[str, str],
) -> tuple[Branch, ...]:
    """The tree of some charges.

    Args:
        charge_ids: in the order in which they are to be shown.
        members: the observations of each; a charge without any stands alone.
        names: what spans that are no calls call themselves.
    """
    owner = {
        one.span_id: charge_id for charge_id in charge_ids for one in members.get(charge_id, ())
    }
    above: dict[str, str] = {}
    for charge_id in charge_ids:
        chain = _chain(charge_id, members.get(charge_id, ()), owner)
        for low, high in pairwise(chain):
            if low not in above and not _leads_to(above, high, low):
                above[low] = high
    inner: dict[str, dict[str, None]] = {}
    tops: dict[str, None] = {}
    for charge_id in charge_ids:
        at = charge_id
        while at in above:
            inner.setdefault(above[at], {})[at] = None
            at = above[at]
        tops[at] = None
    made = _Making(inner, members, names)
    return tuple(branch for top in tops for branch in made.branches(top))


def _chain(charge_id: str, members: Sequence[Observation], owner: Mapping[str, str]) -> list[str]:
    """A charge and what is above it, the nearest first: other charges by their ids, spans that are no calls by theirs.
    What tells of the same call is no part of it. The longest path is that of the member that is furthest within."""
    path = max((one.path for one in members), key=len, default=())
    above = dict.fromkeys(owner.get(span_id, span_id) for span_id in path[:_PATH_MAX])
    return [charge_id, *(one for one in above if one != charge_id)]


def _leads_to(above: Mapping[str, str], at: str, end: str) -> bool:
    """Whether going up from the one comes to the other: what says of itself that it is above itself is not believed."""
    found: str | None = at
    while found is not None:
        if found == end:
            return True
        found = above.get(found)
    return False


class _Making(NamedTuple):
    """What a tree is made of; spans that say nothing and hold one thing only are left out."""

    inner: Mapping[str, Mapping[str, None]]
    members: Mapping[str, Sequence[Observation]]
    names: Mapping[str, str]

    def branches(self, at: str, depth: int = 0) -> tuple[Branch, ...]:
        below = self.inner.get(at, _NOTHING) if depth < _DEPTH_MAX else _NOTHING
        within = tuple(branch for one in below for branch in self.branches(one, depth + 1))
        if depth == _DEPTH_MAX:
            within = self._flat(at)
        if at in self.members or at not in self.inner:
            spans = [one.span_id for one in self.members.get(at, ())]
            return (Branch(spans[0] if spans else "", at, None, within),)
        if at not in self.names and len(within) == 1:
            return within
        return (Branch(at, None, self.names.get(at), within),)

    def _flat(self, at: str) -> tuple[Branch, ...]:
        """All calls below, beside each other."""
        found, left = dict[str, Branch](), [*self.inner.get(at, ())]
        while left:
            one = left.pop()
            left += self.inner.get(one, ())
            if one in self.members:
                found[one] = Branch(self.members[one][0].span_id, one, None, ())
        return tuple(found.values())
