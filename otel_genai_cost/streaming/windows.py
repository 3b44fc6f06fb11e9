"""How long a key's state has what, and what is forgotten then.

Evidence goes row by row, as in a ledger. What was charged goes whole, with the traces that it is of: a charge whose
first member were gone would be settled anew, as something else, when a further one comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from otel_genai_cost.ledger.posting.run import EVIDENCE_US, RESPONSES_US
from otel_genai_cost.ledger.storage.rows import Stored
from otel_genai_cost.streaming.keyed_entries import KeyedEntries
from otel_genai_cost.streaming.keyed_rows import (
    KeyedEvidence,
    KeyedObservations,
    Marks,
)

__all__ = ["WINDOWS", "Forgetting", "Windows"]


class Windows(NamedTuple):
    """How long a key's state has what, in microseconds from ingestion; none is longer than the next.

    Attributes:
        evidence_us: evidence of overlap, as a ledger has it.
        responses_us: response ids, as a ledger has them.
        all_us: everything else. What comes later than that after its end can't be told from what was charged already,
            and is refused. None to keep it for good.
    """

    evidence_us: int = EVIDENCE_US
    responses_us: int = RESPONSES_US
    all_us: int | None = RESPONSES_US


WINDOWS: Final = Windows()


class Forgetting:
    """Forgets what the windows of a key no longer hold.

    Args:
        windows: how long what is kept.
        marks, observations, candidates, entries: of the key.

    Raises:
        ValueError: if a window is longer than the next.
    """

    def __init__(
        self,
        windows: Windows,
        marks: Marks,
        observations: KeyedObservations,
        candidates: KeyedEvidence,
        entries: KeyedEntries,
    ) -> None:
        if not windows.evidence_us <= windows.responses_us <= (windows.all_us or 1 << 62):
            raise ValueError(f"a window is longer than the next: {windows}")
        self._windows, self._marks = windows, marks
        self._observations, self._candidates, self._entries = observations, candidates, entries

    def due_us(self) -> int | None:
        """When something is to be forgotten next (unix microseconds); None if never."""
        now, windows = self._marks.now, self._windows
        places = (
            (now.passing_n, windows.evidence_us),
            (now.lasting_n, windows.responses_us),
            (now.all_n, windows.all_us),
        )
        due = [
            self._known_us(*self._observations.numbered([n + 1])) + window_us + 1
            for n, window_us in places
            if window_us is not None and n < now.last_n
        ]
        unlinked_us = self._observations.expected_since_us()
        if windows.all_us is not None and unlinked_us is not None:
            due.append(unlinked_us + windows.all_us + 1)
        return min(due, default=None)

    def forget(self, now_us: int) -> None:
        """Forget what is older by now than its window, and settled.

        Args:
            now_us: the time, unix microseconds.
        """
        before_us = now_us - self._windows.evidence_us
        last = self._each(self._marks.now.passing_n, before_us, self._candidates.forget_passing)
        if last != self._marks.now.passing_n:
            self._marks.set(passing_n=last, passing_us=before_us)
        before_us = now_us - self._windows.responses_us
        last = self._each(self._marks.now.lasting_n, before_us, self._candidates.forget_lasting)
        if last != self._marks.now.lasting_n:
            self._marks.set(lasting_n=last)
        if self._windows.all_us is not None:
            before_us = now_us - self._windows.all_us
            last = self._each(self._marks.now.all_n, before_us, self._forget_row)
            is_unlinked = self._observations.forget_unlinked(before_us)
            if is_unlinked or last != self._marks.now.all_n:
                self._marks.set(all_n=last)

    def _each(self, n: int, before_us: int, forget: Callable[[Stored], None]) -> int:
        """Forget something of the rows after `n` that came before; the last of them."""
        while n < self._marks.now.last_n:
            [one] = self._observations.numbered([n + 1])
            if self._known_us(one) >= before_us:
                break
            forget(one)
            n += 1
        return n

    def _known_us(self, one: Stored) -> int:
        """From when a row's windows count: of a clock that is ahead, a copy may come so much later."""
        return max(one.ingested_us, one.observation.end_us)

    def _forget_row(self, one: Stored) -> None:
        """Forget a row with all that it is settled with, or leave that to the youngest of these."""
        together = self._together(one)
        if max(together) > one.n:
            self._observations.keep_longer(one.n)
            return
        for row in together.values():
            self._observations.forget(row)
            if row.charge_id is not None:
                self._entries.forget(row.charge_id)

    def _together(self, one: Stored) -> dict[int, Stored]:
        """The rows of its charge and trace, of their charges and traces, and so on."""
        found, edge = {one.n: one}, [one]
        while edge:
            numbers = {n for row in edge for n in self._beside(row)} - found.keys()
            edge = self._observations.numbered(sorted(numbers))
            found.update((row.n, row) for row in edge)
        return found

    def _beside(self, row: Stored) -> Iterable[int]:
        yield from self._observations.of_trace(row.observation.trace_id)
        if row.charge_id is not None:
            yield from self._observations.of_charge(row.charge_id)
