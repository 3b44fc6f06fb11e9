"""What a settled response comes to: who, what, when, how much. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.pricing.cost import Cost, unpriced
from otel_genai_cost.tenancy.attribution import Attribution, trust_rank

__all__ = ["Member", "Verdict", "verdict_of"]

_STATUSES: Final = ("unpriced", "partial", "priced")
_QUALITIES: Final = ("unknown", "inconsistent", "estimated", "reported")


class Member(NamedTuple):
    """An observation of a response, and the rule by which it joined; None for the one that founded it."""

    observation: Observation
    rule: int | None


class Verdict(NamedTuple):
    """One provider response. `charge_id` and time are those of the member that ended first; usage and price come from
    `richest`, attribution from the most trusted of members, aggregates and contexts.

    `flags` may hold `conflict` (copies of one span that differ) and `tenant_conflict`.
    """

    charge_id: str
    occurred_us: int
    members: tuple[Member, ...]
    richest: Observation
    cost: Cost
    attribution: Attribution
    flags: tuple[str, ...] = ()


Wrappers = Mapping[tuple[str, str], Sequence[Observation]]
"""Contexts and aggregates by trace and span id."""


def verdict_of(members: Sequence[Member], wrappers: Wrappers) -> Verdict:
    """The verdict on one response's members, sorted by their end. `wrappers` may be above them."""
    observations = [member.observation for member in members]
    first = observations[0]
    calls = [one for one in observations if one.reading.role != "poll"]
    told = calls or observations
    richest = told[0] if len(told) == 1 else max(told, key=_richness)
    cost = richest.cost if calls else unpriced("poll_without_call", richest.cost.book)
    attribution, torn = _attribution(told, wrappers)
    flags = tuple(
        flag
        for flag, holds in (("conflict", _differs(members)), ("tenant_conflict", torn))
        if holds
    )
    return Verdict(first.id, first.end_us, tuple(members), richest, cost, attribution, flags)


def _richness(one: Observation) -> tuple[int, int, int, int, str, str]:
    """How much a member knows; a total order, so that the richest is the same whatever the order."""
    usage = one.reading.usage
    return (
        _STATUSES.index(one.cost.status),
        _QUALITIES.index(usage.quality),
        len(usage.leaves),
        len(one.reading.context),
        one.id,
        repr(one.reading),
    )


def _differs(members: Sequence[Member]) -> bool:
    """Whether copies of one span disagree in provider, model or usage."""
    if len(members) == 1:
        return False
    facts: dict[str, tuple[object, ...]] = {}
    for member in members:
        one = member.observation
        reading = one.reading
        told = (reading.provider, reading.model_returned, sorted(reading.usage.leaves.items()))
        if facts.setdefault(one.id, told) != told:
            return True
    return False


def _attribution(calls: Sequence[Observation], wrappers: Wrappers) -> tuple[Attribution, bool]:
    """The most trusted attribution; if equals name different tenants it is nobody's. A poll's tenant is ignored."""
    told = [one.attribution for one in calls]
    above = dict.fromkeys((one.trace_id, span) for one in calls for span in one.path)
    told += [wrapper.attribution for key in above for wrapper in wrappers.get(key, ())]
    if len(told) == 1:
        return told[0], False
    naming = [one for one in told if one.tenant is not None]
    if not naming:
        return max(told, key=_absence), False
    rank = min(trust_rank(one.source) for one in naming)
    best = [one for one in naming if trust_rank(one.source) == rank]
    if len({one.tenant for one in best}) > 1:
        return Attribution(absent="conflict", initiator=best[0].initiator), True
    labels = {key: value for one in reversed(told) for key, value in one.labels.items()}
    chosen = min(best, key=repr)
    return chosen._replace(labels={**labels, **chosen.labels}), False


def _absence(one: Attribution) -> tuple[int, str]:
    """A stated absence says more than `missing`."""
    return (one.absent != "missing", repr(one))
