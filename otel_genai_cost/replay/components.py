"""Which observations of a batch must be settled together: whatever a rule could join, or stands above it, transitively.

Settling each component by itself gives what settling everything at once does, since settlement only ever compares
observations that share evidence. A trace is never parted. Beyond it, named responses tie traces together, and twins:
two scopes of one process that saw equal input at the same time. In a busy process that would tie nearly everything; so,
as in settlement, only responses that no scope has seen both of can be twins: see `before_twins`.

In memory there are four bytes an observation; keys are sorted on disk.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import combinations, groupby
from operator import itemgetter
from typing import Any, Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.evidence import named_response, twin_keys
from otel_genai_cost.ledger.settlement.settle import before_twins
from otel_genai_cost.replay.batch_file import BatchFile

__all__ = ["TOGETHER", "Components"]

TOGETHER: Final = 256
"""How many observations, of small components, are read and settled in one go."""

_SHARED_KEYS: Final = (
    "SELECT key, n FROM twin WHERE key IN"
    " (SELECT key FROM twin GROUP BY key HAVING min(scopes) < max(scopes)) ORDER BY key"
)


class Components:
    """The components of a batch: observations are noted one by one, in the order of their numbers, then found.

    Args:
        file: the batch's.
        together: how many observations, of small components, are read in one go; so many are never parted.
    """

    def __init__(self, file: BatchFile, together: int = TOGETHER) -> None:
        self._file, self._together = file, together
        self._above = array("I")
        self._scopes: dict[frozenset[str], int] = {}
        self._sets: list[frozenset[str]] = []

    def __len__(self) -> int:
        return len(self._above)

    def note(self, one: Observation) -> None:
        """Put on file what ties the next observation to others. Its path is not needed."""
        n = len(self._above)
        self._above.append(n)
        self._file.put("same_trace", (hash(one.trace_id), n))
        if (named := named_response(one)) is not None:
            key, first, last, is_anytime = named
            self._file.put("named", (hash(key), not is_anytime, first, last, n))
        scopes = self._number({one.reporter})
        for key in twin_keys(one):
            self._file.put("twin", (hash(key), scopes, n))

    def find(self) -> None:
        """Find the components, once everything is noted."""
        if len(self) <= self._together:
            return
        self._join_traces()
        self._join_named()
        self._list()
        if self._join_twins():
            self._file.clear("component")
            self._list()

    def parts(self) -> Iterator[tuple[list[int], int]]:
        """Some whole components: the numbers of their observations, ascending; and up to which number (excluded) all
        observations have come by then."""
        if len(self) <= self._together:
            yield [*range(len(self))], len(self)
            return
        part: list[int] = []
        rows = self._file.ask("SELECT root, n FROM component ORDER BY root, n")
        for root, component in groupby(rows, key=itemgetter(0)):
            if len(part) >= self._together:
                yield sorted(part), root
                part = []
            part += [n for _, n in component]
        yield sorted(part), len(self)

    def _number(self, scopes: Iterable[str]) -> int:
        """What stands for a set of scopes in the file."""
        found = frozenset(scopes)
        number = self._scopes.setdefault(found, len(self._sets))
        if number == len(self._sets):
            self._sets.append(found)
        return number

    def _root(self, n: int) -> int:
        """The first observation of the component that one belongs to, as far as is known."""
        above = self._above
        while above[n] != n:
            above[n] = above[above[n]]
            n = above[n]
        return n

    def _join(self, one: int, other: int) -> bool:
        """Two belong to one component; whether that is new."""
        one, other = self._root(one), self._root(other)
        self._above[max(one, other)] = min(one, other)
        return one != other

    def _list(self) -> None:
        """Put on file which observation belongs where."""
        for n in range(len(self)):
            self._file.put("component", (self._root(n), n))

    def _join_traces(self) -> None:
        before, first = None, 0
        for key, n in self._file.ask("SELECT key, n FROM same_trace ORDER BY key"):
            if key != before:
                before, first = key, n
            self._join(first, n)

    def _join_named(self) -> None:
        """By response id: all of one that is read at any time, else those whose hours meet."""
        before, is_anytime, until, first = None, False, 0, 0
        for key, is_single, begins, ends, n in self._file.ask(
            "SELECT * FROM named ORDER BY key, is_single, first_hour"
        ):
            if key != before:
                before, is_anytime, until, first = key, not is_single, ends, n
            elif begins > until and not is_anytime:
                until, first = ends, n
            self._join(first, n)
            until = max(until, ends)

    def _join_twins(self) -> bool:
        """By what responses of disjoint scopes have in common; whether any component grew."""
        for root in self._suspects():
            numbers = (n for (n,) in self._file.ask("SELECT n FROM component WHERE root = ?", root))
            members = [one.observation for one in self._file.load(list(numbers))]
            for response in before_twins(members):
                scopes = self._number(one.reporter for one in response)
                for key in {key for one in response for key in twin_keys(one)}:
                    self._file.put("response", (hash(key), scopes, root))
        rows = self._file.ask("SELECT DISTINCT key, scopes, n FROM response ORDER BY key, scopes")
        return any([self._join_disjoint(seen) for _, seen in groupby(rows, key=itemgetter(0))])

    def _suspects(self) -> Iterator[int]:
        """Components that share a key with another one, where more than one scope has it."""
        for _, rows in groupby(self._file.ask(_SHARED_KEYS), key=itemgetter(0)):
            roots = array("I", (self._root(n) for _, n in rows))
            if any(root != roots[0] for root in roots):
                for root in roots:
                    self._file.put("suspect", (root,))
        return (root for (root,) in self._file.ask("SELECT root FROM suspect ORDER BY root"))

    def _join_disjoint(self, seen: Iterable[tuple[Any, ...]]) -> bool:
        """Of the components that have one key: those with scopes, all of them others than another's."""
        found: dict[int, array[int]] = {
            scopes: array("I", (n for _, _, n in rows))
            for scopes, rows in groupby(seen, key=itemgetter(1))
        }
        grew, tied = False, set[int]()
        for one, other in combinations(found, 2):
            if self._sets[one].isdisjoint(self._sets[other]):
                tied |= {one, other}
                grew |= self._join(found[one][0], found[other][0])
        for scopes in tied:
            for n in found[scopes]:
                grew |= self._join(found[scopes][0], n)
        return grew
