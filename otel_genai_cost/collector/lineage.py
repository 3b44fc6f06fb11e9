"""Which spans stand above one, as far as their requests came by: of a trace the inner spans are often sent first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from otel_genai_cost.otlp.ancestry import ancestors
from otel_genai_cost.otlp.span import WireSpan

__all__ = ["Lineage"]

_GENERATION: Final = 32_768


class Lineage:
    """The parents of the latest spans. Bounded: of two generations the older is dropped as a whole."""

    def __init__(self) -> None:
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def note(self, parents: Sequence[tuple[int, int]]) -> None:
        """Remember the parents of spans.

        Args:
            parents: What each span is known by (`span_key`), and the id of its parent; 0 for a root.
        """
        for start in range(0, len(parents), _GENERATION):
            if len(self._young) >= _GENERATION:
                self._old, self._young = self._young, {}
            self._young.update(parents[start : start + _GENERATION])

    def path(self, span: WireSpan) -> tuple[int, ...]:
        """The ids of the spans above one, nearest first, at most 64."""
        return ancestors(span.trace_id, span.parent_id, self._parent_of)

    def _parent_of(self, key: int) -> int:
        return self._young.get(key) or self._old.get(key, 0)
