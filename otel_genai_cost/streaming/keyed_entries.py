"""The entries of one key, over a `State`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from otel_genai_cost.ledger.entry import Entry, entry_of, entry_record
from otel_genai_cost.streaming.keyed_rows import KeyedObservations, Marks
from otel_genai_cost.streaming.state import State, read_value, write_value

__all__ = ["KeyedEntries"]


class KeyedEntries:
    """The money of one key. The `seq` of its entries counts those of the key.

    Args:
        state: of the key.
        marks: of the key.
        observations: of the key.
    """

    def __init__(self, state: State, marks: Marks, observations: KeyedObservations) -> None:
        self._state, self._marks, self._observations = state, marks, observations
        self._new: list[Entry] = []

    def append(self, entries: Sequence[Entry]) -> list[Entry]:
        """Post entries: the same, each with its seq."""
        last = self._marks.now.last_seq
        posted = [one._replace(seq=seq) for seq, one in enumerate(entries, last + 1)]
        for one in posted:
            records = read_value(self._state, f"x{one.charge_id}", [])
            write_value(self._state, f"x{one.charge_id}", [*records, entry_record(one)])
        if posted:
            self._marks.set(last_seq=posted[-1].seq)
        self._new += posted
        return posted

    def taken(self) -> list[Entry]:
        """What was posted since this was asked last."""
        new, self._new = self._new, []
        return new

    def of(self, charge_id: str) -> list[Entry]:
        """One charge's entries, in order."""
        return [entry_of(one) for one in read_value(self._state, f"x{charge_id}", ())]

    def by_charge(self, charge_ids: Sequence[str]) -> dict[str, list[Entry]]:
        """The entries of each of these charges that has any, in order."""
        self._state.expect(f"x{one}" for one in charge_ids)
        found = {charge_id: self.of(charge_id) for charge_id in charge_ids}
        return {charge_id: entries for charge_id, entries in found.items() if entries}

    def posted(self, charge_ids: Iterable[str]) -> frozenset[str]:
        """Which of these charges have entries."""
        every = list(charge_ids)
        self._state.expect(f"x{one}" for one in every)
        return frozenset(one for one in every if self._state.get(f"x{one}") is not None)

    def charge_ids(self) -> Iterator[str]:
        """The charges that have members."""
        return self._observations.charge_ids()

    def forget(self, charge_id: str) -> None:
        """Keep nothing of a charge."""
        self._state.delete(f"x{charge_id}")
