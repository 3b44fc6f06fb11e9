"""Which spans stand above one, as far as their requests came by: of a trace the inner spans are often sent first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from otel_genai_cost.otlp.ancestry import ancestors
from otel_genai_cost.otlp.span import WireSpan

__all__ = ["Lineage", "Parents", "latest"]

_GENERATION: Final = 32_768

Parents = deque[tuple[int, int]]
"""What spans are known by (`span_key`), each with the id of its parent; 0 for a root."""


def latest(parents: Iterable[tuple[int, int]] = ()) -> Parents:
    """The parents of the latest of the spans of a request, and of those that are added: so many as are remembered."""
    return deque(parents, maxlen=_GENERATION)


class Lineage:
    """The parents of the latest spans. Bounded: of two generations, each of less than twice as many spans as are noted
    at once, the older is dropped as a whole."""

    def __init__(self) -> None:
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def note(self, parents: Parents) -> None:
        """Remember the parents of spans."""
        if len(self._young) >= _GENERATION:
            self._old, self._young = self._young, {}
        self._young.update(parents)

    def path(self, span: WireSpan) -> tuple[int, ...]:
        """The ids of the spans above one, nearest first, at most 64."""
        return ancestors(span.trace_id, span.parent_id, self._parent_of)

    def _parent_of(self, key: int) -> int:
        return self._young.get(key) or self._old.get(key, 0)
