"""Which spans stand above one, by the parents that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["ancestors", "span_key"]

_PATH_LIMIT: Final = 64


def span_key(trace_id: int, span_id: int) -> int:
    """What a span is known by.

    Args:
        trace_id: Of its trace.
        span_id: Its own.
    """
    return trace_id << 64 | span_id


def ancestors(trace_id: int, parent_id: int, parent_of: Callable[[int], int]) -> tuple[int, ...]:
    """The ids of the spans above one, nearest first, at most 64; of spans that are above themselves each once.

    Args:
        trace_id: Of the span's trace.
        parent_id: Of its parent; 0 for a root.
        parent_of: Gives the parent of a span by its key; 0 for a root, and for one that is not known.
    """
    found: list[int] = []
    while parent_id and len(found) < _PATH_LIMIT and parent_id not in found:
        found.append(parent_id)
        parent_id = parent_of(span_key(trace_id, parent_id))
    return tuple(found)
