"""Charges that look alike and were not joined: nothing proves that they are one response, and a person may know better.

Each observation is compared with the latest few of the same input and time; the first that looks like it is reported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.same_response import overlap
from otel_genai_cost.ledger.settlement.evidence import Key
from otel_genai_cost.ledger.storage.rows import Stored
from otel_genai_cost.usage.leaves import NO_USAGE

__all__ = ["WHY", "Suspect", "suspects"]

WHY: Final = {
    "same_response_id": "one response id, but another provider, usage or time",
    "two_tenants": "equal and at the same time in one process, for two tenants",
    "two_processes": "equal and at the same time, seen by two scopes in two processes",
    "no_usage": "one of the two reports no usage; same process, model and time, two scopes",
}
"""What makes a pair suspicious, the strongest first."""

_STRETCH_US: Final = 10_000_000
_COMPARED_MAX: Final = 32
_KEYS_MAX: Final = 500_000


class Suspect(NamedTuple):
    """Two observations of two charges that look like one response.

    Attributes:
        why: a key of `WHY`.
        first: the one that was ingested first.
        second: the other.
    """

    why: str
    first: Stored
    second: Stored


def suspects(stored: Iterable[Stored]) -> Iterator[Suspect]:
    """Pairs that look like one response, at most one for each observation.

    Args:
        stored: observations in the order they came. Of the keys by which they are compared the latest 500,000 are
            remembered.
    """
    known: dict[Key, deque[Stored]] = {}
    for one in stored:
        if one.charge_id is None:
            continue
        keys = list(_keys(one.observation))
        if (found := _like(one, keys, known)) is not None:
            yield found
        for key in keys:
            known.setdefault(key, deque(maxlen=_COMPARED_MAX)).append(one)
        while len(known) > _KEYS_MAX:
            del known[next(iter(known))]


def _like(one: Stored, keys: list[Key], known: dict[Key, deque[Stored]]) -> Suspect | None:
    pairs = [
        Suspect(why, other, one)
        for other in {near.n: near for key in keys for near in known.get(key, ())}.values()
        if other.charge_id != one.charge_id
        and (why := _why(one.observation, other.observation)) is not None
    ]
    order = list(WHY)
    return min(pairs, key=lambda pair: (order.index(pair.why), pair.first.n), default=None)


def _keys(one: Observation) -> Iterator[Key]:
    reading = one.reading
    if reading.response_id is not None:
        yield ("response", reading.response_id)
    if reading.role == "poll":
        return
    about = reading.model_returned or reading.model_requested
    for stretch in {one.start_us // _STRETCH_US, one.end_us // _STRETCH_US}:
        if reading.usage.input_total is not None:
            yield ("input", reading.usage.input_total, stretch)
        yield ("process", one.origin.process, about, stretch)


def _why(one: Observation, other: Observation) -> str | None:
    mine, theirs = one.reading, other.reading
    if mine.response_id is not None and mine.response_id == theirs.response_id:
        return "same_response_id"
    if one.reporter == other.reporter or not overlap(one, other):
        return None
    if (mine.usage is NO_USAGE) != (theirs.usage is NO_USAGE):
        same_call = one.origin.process == other.origin.process and not (mine.error or theirs.error)
        return "no_usage" if same_call else None
    outputs = {mine.usage.output_total, theirs.usage.output_total} - {None}
    if mine.usage.input_total != theirs.usage.input_total or len(outputs) > 1:
        return None
    return "two_tenants" if one.origin.process == other.origin.process else "two_processes"
