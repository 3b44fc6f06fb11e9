"""Everything that might be the same response as an observation: the walk from one to the next, by the evidence on file.

It is one walk, whatever keeps the evidence: a ledger's file, or the state of one key of a stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from struct import unpack
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.evidence import (
    Key,
    place_keys,
    places_sought,
    response_keys,
    twin_keys,
)
from otel_genai_cost.ledger.storage.rows import Stored

__all__ = ["COMPONENT_MAX", "Component", "EvidenceRow", "Keys", "keys_of"]

COMPONENT_MAX: Final = 20_000
"""Rows that are settled together, where only twins tie them: the same call made over and over, seen by two scopes."""

EvidenceRow = tuple[int, int]
"""A key, digested, and the number of the row that offers it."""


class Keys(NamedTuple):
    """The keys that an observation offers, digested: those that are forgotten soon, those of responses, and of the
    former those of twins. Copies of it are found by its id."""

    passing: list[int]
    lasting: list[int]
    twins: list[int]


class Component(ABC):
    """Finds what must be settled together. Who derives from it says where the evidence is kept.

    `cuts` counts how often so many equal calls were about that not all were settled together.
    """

    def __init__(self) -> None:
        self._known: dict[int, Keys] = {}
        self.cuts = 0

    @abstractmethod
    def offer(self, passing: list[EvidenceRow], lasting: list[EvidenceRow]) -> None:
        """Put evidence on file."""

    @abstractmethod
    def rows(self, numbers: Iterable[int]) -> list[Stored]:
        """The rows of these numbers."""

    @abstractmethod
    def passing(self, keys: Collection[int]) -> set[int]:
        """The rows that offer one of these keys, of those that are forgotten soon."""

    @abstractmethod
    def lasting(self, keys: Collection[int]) -> set[int]:
        """The rows that offer one of these keys, of those of responses."""

    @abstractmethod
    def copies(self, calls: Sequence[Observation]) -> set[int]:
        """The settled rows that have the id of one of these, if these are not all."""

    @abstractmethod
    def of_charges(self, charge_ids: Collection[str]) -> set[int]:
        """The rows settled into these charges."""

    @abstractmethod
    def of_trace(self, trace_id: str) -> set[int]:
        """The settled rows of a trace, at most COMPONENT_MAX."""

    @abstractmethod
    def forgotten(self) -> tuple[int, int] | None:
        """The last row whose evidence of overlap is forgotten, and before when it was ingested (unix microseconds)."""

    def repeated(self, calls: Sequence[Observation]) -> tuple[set[str], set[str | None]]:
        """Of these the traces, and the response ids, that more than one row has: where a row stands, and the response
        that it names, it has in common with rows of the same trace and of the same response id alone. All of them,
        where that is not cheaper to ask."""
        return {one.trace_id for one in calls}, {one.reading.response_id for one in calls}

    def component(self, start: Sequence[Stored]) -> dict[int, Stored]:
        """`start` and everything that might be the same response, transitively; evidence of `start` is put on file.

        It has to be transitive: with the direct candidates alone, 85 of 3,000 orders of arrival gave another partition
        than settling everything at once, since a member may be tied to a response by another member only.

        Charges come whole. Of rows whose evidence is forgotten the whole trace comes too, so that what was settled once
        is settled alike. Twins are followed up to COMPONENT_MAX rows; where that ends it, `cuts` counts it.
        """
        self._known.clear()
        self._offer(start)
        found = {one.n: one for one in start}
        edge = list(start)
        while edge:
            numbers = self._linked(edge)
            if len(found) < COMPONENT_MAX:
                edge = self.rows(numbers - found.keys()) + self._twins(edge, found, numbers)
            else:
                self.cuts += 1
                edge = self.rows(numbers - found.keys())
            found.update((one.n, one) for one in edge)
        return found

    def _offer(self, start: Iterable[Stored]) -> None:
        passing: list[EvidenceRow] = []
        lasting: list[EvidenceRow] = []
        for one in start:
            n, keys = one.n, self._keys(one)
            passing += [(key, n) for key in keys.passing]
            lasting += [(key, n) for key in keys.lasting]
        self.offer(passing, lasting)

    def _linked(self, edge: Sequence[Stored]) -> set[int]:
        """Copies of these, and rows that share a key or a charge with them, or the trace of one whose evidence is
        forgotten."""
        calls = [one.observation for one in edge]
        traces, responses = self.repeated(calls)
        passing, lasting = set[int](), set[int]()
        for call in calls if traces or responses else ():
            if call.trace_id in traces:
                passing.update(_digests(places_sought(call)))
            if call.reading.response_id in responses:
                lasting.update(_digests(response_keys(call)[1]))
        numbers = self.passing(passing) | self.lasting(lasting) | self.copies(calls)
        numbers |= self.of_charges({one.charge_id for one in edge if one.charge_id is not None})
        return numbers | self._by_trace(edge)

    def _twins(
        self, edge: Sequence[Stored], found: Mapping[int, Stored], linked: set[int]
    ) -> list[Stored]:
        """Rows of another scope than one of these that has a key of theirs."""
        scopes: dict[int, set[str]] = {}
        for one in edge:
            for key in self._keys(one).twins:
                scopes.setdefault(key, set()).add(one.observation.reporter)
        numbers = self.passing(scopes.keys())
        return [
            one
            for one in self.rows(numbers - found.keys() - linked)
            if any(
                scopes.get(key, set()) - {one.observation.reporter} for key in self._keys(one).twins
            )
        ]

    def _keys(self, stored: Stored) -> Keys:
        """The keys of a row, kept for the component at hand."""
        known = self._known.get(stored.n)
        if known is None:
            known = self._known[stored.n] = keys_of(stored.observation)
        return known

    def _by_trace(self, edge: Sequence[Stored]) -> set[int]:
        """What is settled of a trace, where some of its evidence is forgotten: a row is that old and settled, or
        because a span that ended just now began before that."""
        forgotten = self.forgotten()
        if forgotten is None:
            return set()
        last_n, before_us = forgotten
        traces = {
            one.observation.trace_id
            for one in edge
            if (one.n <= last_n and (one.charge_id or one.ignored))
            or one.observation.start_us <= before_us < one.observation.end_us
        }
        return {n for trace_id in traces for n in self.of_trace(trace_id)}


def keys_of(one: Observation) -> Keys:
    """The keys that an observation offers.

    Args:
        one: what is to be found by them.
    """
    places = place_keys(one)
    passing = _digests([*places, *twin_keys(one)])
    return Keys(passing, _digests(response_keys(one)[0]), passing[len(places) :])


def _digests(keys: Collection[Key]) -> list[int]:
    """63 bits of each key; a collision only makes settle look at two observations that have nothing in common."""
    found = b"".join([blake2b(repr(key).encode(), digest_size=8).digest() for key in keys])
    return [digest >> 1 for digest in unpack(f">{len(keys)}Q", found)]
