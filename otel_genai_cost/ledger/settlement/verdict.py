"""What a settled response comes to: who, what, when, how much. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.journal.observation import OUR_CLIENTS, Observation
from otel_genai_cost.journal.same_response import TWO_COUNTS
from otel_genai_cost.pricing.cost import Cost, unpriced
from otel_genai_cost.pricing.tariff import CONDITIONS
from otel_genai_cost.tenancy.attribution import Attribution, trust_rank
from otel_genai_cost.usage.read import UNFINISHED
from otel_genai_cost.wide_rows import wide_row

__all__ = ["NEVER_RATED", "Above", "Member", "Verdict", "verdict_of"]

NEVER_RATED: Final = frozenset({"poll_without_call", "unfinished"})
"""Reasons that no price book changes."""

_STATUSES: Final = ("unpriced", "partial", "priced")
_NAMES: Final = ("provider", "model_requested", "model_returned")

_QUALITIES: Final = ("unknown", "inconsistent", "estimated", "reported")


class Member(NamedTuple):
    """An observation of a response, and the rule by which it joined; None for the one that founded it."""

    observation: Observation
    rule: int | None


class Verdict(NamedTuple):
    """One provider response. `charge_id` and time are those of the member that ended first; usage and price come from
    `richest`, attribution from the most trusted of members, aggregates and contexts.

    `flags` may hold `conflict` (copies of one span that differ) and `tenant_conflict`. `is_patched`: what only another
    member names (a tier, a region, the model) was added to `richest`, whose `cost` does not know it: it must be rated
    again.
    """

    charge_id: str
    occurred_us: int
    members: tuple[Member, ...]
    richest: Observation
    cost: Cost
    attribution: Attribution
    flags: tuple[str, ...] = ()
    is_patched: bool = False


class Above:
    """What stands above an observation, nearest first: the wrappers, which count for none, and other responses.

    `ignored` are the ids of the wrappers. A poll says nothing of anybody else.
    """

    def __init__(self, observations: Sequence[Observation], ignored: Collection[str]) -> None:
        self._wrappers: dict[tuple[str, str], list[Observation]] = {}
        self._responses: dict[tuple[str, str], list[Observation]] = {}
        for one in observations:
            if one.reading.role != "poll":
                found = self._wrappers if one.id in ignored else self._responses
                found.setdefault((one.trace_id, one.span_id), []).append(one)

    def wrappers(self, calls: Sequence[Observation]) -> list[Attribution]:
        """What the wrappers above say."""
        return _above(calls, self._wrappers) if self._wrappers else []

    def responses(self, calls: Sequence[Observation]) -> list[Attribution]:
        """What responses above say that these are no part of."""
        return _above(calls, self._responses)

    def tenants(self, one: Observation) -> Collection[str]:
        """The tenants that the most trusted of its own and its wrappers' attributions name."""
        named = [one.attribution, *self.wrappers((one,))]
        best = _most_trusted([each for each in named if each.tenant is not None])
        return {each.tenant for each in best if each.tenant is not None}


def _above(
    calls: Sequence[Observation], known: Mapping[tuple[str, str], list[Observation]]
) -> list[Attribution]:
    keys = dict.fromkeys((one.trace_id, span) for one in calls for span in one.path)
    return [one.attribution for key in keys for one in known.get(key, ())]


def verdict_of(members: Sequence[Member], above: Above) -> Verdict:
    """The verdict on one response's members, sorted by their end. A poll knows usage, never a tenant."""
    observations = [member.observation for member in members]
    first = observations[0]
    calls = [one for one in observations if one.reading.role != "poll"]
    richest = patched = first
    if len(observations) > 1:
        richer_first = sorted(observations, key=_richness, reverse=True)
        richest = richer_first[0]
        patched = _completed(_doubted(richest, observations), richer_first)
    cost = richest.cost if calls else unpriced("poll_without_call", richest.cost.book)
    attribution, is_conflict = _attribution(calls or observations, above)
    flags: tuple[str, ...] = ("conflict",) if _differs(members) else ()
    if is_conflict:
        flags = (*flags, "tenant_conflict")
    is_patched = (
        patched is not richest and bool(calls) and _priced_by(patched) != _priced_by(richest)
    )
    found = (first.id, first.end_us, tuple(members), patched, cost, attribution, flags, is_patched)
    return cast("Verdict", wide_row(Verdict, found))


def _doubted(richest: Observation, observations: Sequence[Observation]) -> Observation:
    """The richest; its usage an estimate where our client's own reading of that very response had none or not all, as
    of a stream that was not asked for it, or was left: then nobody in its process has it from the provider, and a
    framework has counted the text itself, or taken a part for the whole. A gateway, which is another process, may have
    asked."""
    usage = richest.reading.usage
    if usage.quality != "reported" or richest.role == "poll":
        return richest
    if not any(_read_less(one, richest) for one in observations):
        return richest
    return richest._replace(
        reading=richest.reading._replace(usage=usage._replace(quality="estimated"))
    )


def _read_less(one: Observation, richest: Observation) -> bool:
    return (
        one.response_id is not None
        and one.response_id == richest.response_id
        and one.process == richest.process
        and one.scope.startswith(OUR_CLIENTS)  # they see all that the provider sent
        and (one.reading.usage.quality == "unknown" or one.reading.error == UNFINISHED)
    )


def _completed(richest: Observation, richer_first: Sequence[Observation]) -> Observation:
    """The richest, with what it lacks and another member names, the richer first: provider, model and the conditions of
    the price."""
    reading = richest.reading
    more: dict[str, Any] = {}
    names: dict[str, Any] = {}
    for one in richer_first:
        for key, value in one.reading.context.items():
            if key in CONDITIONS and key not in reading.context:
                more.setdefault(key, value)
        for name in _NAMES:
            if getattr(reading, name) is None and getattr(one.reading, name) is not None:
                names.setdefault(name, getattr(one.reading, name))
    if not more and not names:
        return richest
    completed = reading._replace(**names, context={**more, **reading.context})
    return richest._replace(reading=completed)


def _priced_by(one: Observation) -> tuple[object, ...]:
    reading = one.reading
    return (reading.provider, reading.model_returned or reading.model_requested, reading.context)


def _richness(one: Observation) -> tuple[int, int, bool, int, bool, int, bool, str, str]:
    """How much a member knows; a total order, so that the richest is the same whatever the order."""
    usage = one.reading.usage
    return (
        _QUALITIES.index(usage.quality),
        _STATUSES.index(one.cost.status),
        one.provider in TWO_COUNTS and one.scope.startswith(OUR_CLIENTS),  # they know the bill
        len(usage.leaves),
        one.cost.bounds is None,
        len(one.reading.context),
        one.reading.role != "poll",
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
        said = (reading.provider, reading.model_returned, sorted(reading.usage.leaves.items()))
        if facts.setdefault(one.id, said) != said:
            return True
    return False


def _attribution(calls: Sequence[Observation], above: Above) -> tuple[Attribution, bool]:
    """The most trusted attribution; if equals name different tenants it is nobody's, and a conflict. Where no member
    and no wrapper names anybody, the nearest response above may."""
    every = [*(one.attribution for one in calls), *above.wrappers(calls)]
    definite = [one for one in every if _is_definite(one)]
    if not definite:
        inherited = [one for one in above.responses(calls) if _is_definite(one)][:1]
        every, definite = every + inherited, inherited
    if len(every) == 1:
        return every[0], False
    best = definite if len(definite) == 1 else _most_trusted(definite)
    if not best:
        chosen = max(every, key=_absence)
    elif len({(one.tenant, one.shares) for one in best}) > 1:
        return Attribution(absent="conflict", initiator=best[0].initiator), True
    else:
        chosen = best[0]
    whose = [one for one in every if not _is_definite(one) or one.tenant == chosen.tenant]
    labels = {key: value for one in reversed(whose) for key, value in one.labels.items()}
    return chosen._replace(labels={**labels, **chosen.labels}), False


def _is_definite(one: Attribution) -> bool:
    """Whether it says whom a call was for; nobody in particular, if the platform works for itself."""
    return one.tenant is not None or bool(one.shares) or one.absent == "system"


def _most_trusted(named: Sequence[Attribution]) -> list[Attribution]:
    ranks = [trust_rank(one.source) for one in named]
    best = min(ranks, default=0)
    return [one for one, rank in zip(named, ranks, strict=True) if rank == best]


def _absence(one: Attribution) -> tuple[bool, str]:
    """A stated absence says more than `missing`."""
    return (one.absent != "missing", repr(one))
