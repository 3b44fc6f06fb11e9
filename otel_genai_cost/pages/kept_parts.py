"""Parts of actions, kept in the store: they are too many to be read, and too slow to be added up for each page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_genai_cost.pages.answers import Answers
from otel_genai_cost.reports.action_parts import PARTS_SQL, Parts, action_parts
from otel_genai_cost.reports.selection import Selection

if TYPE_CHECKING:
    from otel_genai_cost.pages.figures import Reading

__all__ = ["KeptParts"]

_ROWS_MAX: Final = 1_000_000
"""Some hundred megabytes: of ten million calls, each page of all time two or three times."""

_PART: Final = 2
"""What has more than this part of all rows is not kept for others."""

_SINCE_MAX: Final = 50_000
"""After so many entries more what is kept is made one with what came since."""

_NUMBERS: Final = itertools.count()
"""Of relations, each of which has a name of its own in this process."""

_SUMS: Final = "this_action, currency, calls, unpriced, amount, last"


class _Known(NamedTuple):
    """Parts up to an entry."""

    name: str
    ledger_id: str
    seq: int


class KeptParts:
    """Parts that were asked for. Entries are only ever added, so what the first of them come to stays what it is.

    Args:
        rows_max: how many rows are kept; those that were not asked for longest go.
        since_max: so many entries are added up beside what is kept.
    """

    def __init__(self, rows_max: int = _ROWS_MAX, since_max: int = _SINCE_MAX) -> None:
        self._since_max = since_max
        self._known = Answers[_Known](rows_max, _PART)

    def parts(self, reading: Reading, by: Sequence[str], selection: Selection, first: int) -> Parts:
        """As `reports.action_parts.action_parts`, of the entries of a reading.

        Args:
            reading: the entries.
            by: names of dimensions.
            selection: which calls.
            first: the number of the query's first parameter.

        Raises:
            ConfigurationError: for a dimension there is none of.
        """
        ledger_id, seq = reading.position()
        what = sorted(by)
        known = self._known.get(what, selection)
        if known is None or known.ledger_id != ledger_id or known.name not in reading.kept():
            made = action_parts(by, selection, 1)
        elif known.seq > seq:
            return action_parts(by, selection, first)
        elif seq - known.seq <= self._since_max:
            return _with_new(known, by, selection, first, seq)
        else:
            apart = _with_new(known, by, selection, 1, seq)
            summed = f"SELECT {_names(by)}, {PARTS_SQL} FROM ({apart.sql}) GROUP BY ALL"
            made = Parts(summed, apart.parameters)
        name = f"parts_{next(_NUMBERS)}"
        rows = reading.keep(name, made.sql, made.parameters)
        self._known.keep(what, selection, _Known(name, ledger_id, seq), rows)
        return Parts(_all_of(name, by), [])

    @property
    def names(self) -> frozenset[str]:
        """Of the relations that are still of use."""
        return frozenset(one.name for one in self._known.values())


def _with_new(
    known: _Known, by: Sequence[str], selection: Selection, first: int, seq: int
) -> Parts:
    """What is kept, and what the entries since come to."""
    if known.seq == seq:
        return Parts(_all_of(known.name, by), [])
    new = action_parts(by, selection, first, after_seq=known.seq)
    return Parts(f"{_all_of(known.name, by)} UNION ALL SELECT * FROM ({new.sql})", new.parameters)


def _all_of(name: str, by: Sequence[str]) -> str:
    return f"SELECT {_names(by)}, {_SUMS} FROM kept.{name}"


def _names(by: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in by)
