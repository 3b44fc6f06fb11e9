"""What was found for questions that were asked: of all of it only so many rows, those that were asked for last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.reports.selection import Selection

__all__ = ["Answers"]

A = TypeVar("A")


class Answers(Generic[A]):
    """For any thread. The registry that a question was asked with is kept, so that no other can be taken for it.

    Args:
        rows_max: how many rows are kept; those that were not asked for longest go.
        part: what has more than this part of them is not kept, since it would take the place of nearly everything else.
    """

    def __init__(self, rows_max: int, part: int) -> None:
        self._rows_max, self._part = rows_max, part
        self._known: OrderedDict[Hashable, tuple[A, int, Directory]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, what: Iterable[str], selection: Selection) -> A | None:
        """What was found last; None if nothing is kept.

        Args:
            what: was asked for.
            selection: of which calls.
        """
        key = _key(what, selection)
        with self._lock:
            if key not in self._known:
                return None
            self._known.move_to_end(key)
            return self._known[key][0]

    def keep(self, what: Iterable[str], selection: Selection, found: A, rows: int) -> None:
        """Keep what was found, in place of what was before, unless it is too much.

        Args:
            what: was asked for.
            selection: of which calls.
            found: it.
            rows: how many it has.
        """
        if rows * self._part > self._rows_max:
            return
        key = _key(what, selection)
        with self._lock:
            self._known[key] = found, rows, selection.directory
            self._known.move_to_end(key)
            while sum(one[1] for one in self._known.values()) > self._rows_max:
                self._known.popitem(last=False)

    def values(self) -> list[A]:
        """All that is kept, what was asked for longest ago first."""
        with self._lock:
            return [one[0] for one in self._known.values()]


def _key(what: Iterable[str], selection: Selection) -> Hashable:
    which = selection._asdict()
    return tuple(what), id(which.pop("directory")), *which.values()
