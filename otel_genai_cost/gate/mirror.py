"""A gate's store elsewhere as the shipper feeds it: sums, ends of holds and its own mark in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from otel_genai_cost.gate.cached import Backend, Batch, Query, Wanted
from otel_genai_cost.gate.store import StoreUnavailableError, Transaction
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.mirrored import Mirrored, MirrorMark
from otel_genai_cost.ledger.sink import Mark
from otel_genai_cost.limits.hold import Hold

__all__ = ["GateSink"]

_OPEN: Final[Query] = ("open", None)


class GateSink:
    """The sink.

    Args:
        backend: the store's own ways.
        clock_us: the time, unix microseconds.
    """

    def __init__(self, backend: Backend, clock_us: Callable[[], int]) -> None:
        self._backend, self._clock_us = backend, clock_us

    def mark(self) -> Mark | None:
        found = self.position()
        return None if found is None else Mark(found.ledger_id, found.seq)

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        """Nothing: which holds end does not follow from entries alone; `mirror` takes all of it."""

    def reset(self) -> None:
        """Nothing: what another ledger brings is whole."""

    def close(self) -> None:
        self._backend.close()

    def position(self) -> MirrorMark | None:
        return self._backend.position()

    def open_holds(self) -> list[Hold]:
        found = self._backend.read(Wanted(set(), set(), {_OPEN}), self._clock_us())
        return list(found.queries[_OPEN])

    def mirror(self, found: Mirrored) -> None:
        def ended(transaction: Transaction) -> None:
            for outcome in found.outcomes:
                hold = transaction.find(outcome.id)
                if hold is not None:
                    transaction.write(hold, outcome.of(hold))

        try:
            Batch(self._backend, self._clock_us).run([ended], found)
        except StoreUnavailableError:
            self._backend.roll_back()
            raise
