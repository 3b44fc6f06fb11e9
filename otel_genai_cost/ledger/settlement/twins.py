"""Where the twins of a response are found (rule 3): by what two scopes' views of one response have in common. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from types import MappingProxyType
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.evidence import Key, twin_keys

__all__ = ["Twins"]

_NONE: Final[Mapping[frozenset[str], dict[int, None]]] = MappingProxyType({})


class Twins:
    """Responses by what their twins know of them, and by the scopes they have been seen by."""

    def __init__(self) -> None:
        self._found: dict[Key, dict[frozenset[str], dict[int, None]]] = {}

    def of(self, members: list[Observation], tenant: str | None) -> Iterator[int]:
        """Responses that no scope of these has seen, with a member of equal input, at the same time.

        Args:
            members: what tells of the response whose twins are looked for.
            tenant: whom it is for.
        """
        mine, seen = {one.reporter for one in members}, set[int]()
        tenants = ("any",) if tenant is None else (("is", tenant), None)
        for one in members:
            output = one.reading.usage.output_total
            outputs = ("any",) if output is None else (output, None)
            for key in product(twin_keys(one), outputs, tenants):
                for scopes, places in self._found.get(key, _NONE).items():
                    if scopes.isdisjoint(mine):
                        yield from (at for at in places if at not in seen)
                        seen.update(places)

    def add(self, at: int, members: list[Observation], tenant: str | None) -> None:
        """Let a response be found.

        Args:
            at: its place.
            members: what tells of it.
            tenant: whom it is for.
        """
        scopes = frozenset(one.reporter for one in members)
        for key in _twin_places(members, tenant):
            self._found.setdefault(key, {}).setdefault(scopes, {})[at] = None

    def remove(self, at: int, members: list[Observation], tenant: str | None) -> None:
        """The other way round.

        Args:
            at: its place.
            members: what told of it when it was added.
            tenant: whom it was for.
        """
        scopes = frozenset(one.reporter for one in members)
        for key in _twin_places(members, tenant):
            self._found.get(key, _NONE).get(scopes, {}).pop(at, None)


def _twin_places(members: list[Observation], tenant: str | None) -> Iterator[Key]:
    """Where a response is found by its twins: by output and tenant, and by any, for those that don't know theirs."""
    keys = {key for one in members for key in twin_keys(one)}
    outputs = {one.reading.usage.output_total for one in members if keys}
    yield from product(keys, (*outputs, "any"), (None if tenant is None else ("is", tenant), "any"))
