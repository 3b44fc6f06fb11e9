"""Sums that were made before and the entries since: what a page asks for again takes no longer than what is new."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.sums import Sums, added
from otel_genai_cost.reports.tables import Group, groups_of, sums

if TYPE_CHECKING:
    from otel_genai_cost.pages.figures import Reading

__all__ = ["Remembered"]

_ROWS_MAX: Final = 150_000
"""Some sixty megabytes: of 300 tenants, six charts of 13 months."""


class _Known(NamedTuple):
    """Sums up to an entry. The registry is kept, so that no other can be taken for it."""

    ledger_id: str
    seq: int
    sums: Sums
    directory: Directory


class Remembered:
    """Reports that were made. Entries are only ever added, so the sums of the first of them stay what they are.

    Args:
        rows_max: how many rows are kept; those that were not asked for longest go.
    """

    def __init__(self, rows_max: int = _ROWS_MAX) -> None:
        self._rows_max = rows_max
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def report(
        self,
        reading: Reading,
        by: Sequence[str],
        selection: Selection,
        *,
        by_cost: bool = False,
        among: Collection[str | None] | None = None,
    ) -> list[Group]:
        """As `reports.tables.report`, of the entries of a reading.

        Args:
            reading: the entries.
            by: names of dimensions.
            selection: which calls.
            by_cost: sort by cost, else by the groups.
            among: only groups whose last dimension, which is no time, is one of these; None for all.

        Raises:
            ConfigurationError: for a dimension there is none of.
        """
        found = self.sums(reading, by, selection)
        if among is not None:
            wanted = frozenset(among)
            found = {key: one for key, one in found.items() if key[len(by) - 1] in wanted}
        return groups_of(found, by, selection.zone, by_cost=by_cost)

    def sums(self, reading: Reading, by: Sequence[str], selection: Selection) -> Sums:
        """As `reports.tables.sums`, of the entries of a reading.

        Args:
            reading: the entries.
            by: names of dimensions.
            selection: which calls.

        Raises:
            ConfigurationError: for a dimension there is none of.
        """
        ledger_id, seq = reading.position()
        which = selection._asdict()
        key = tuple(by), id(which.pop("directory")), *which.values()
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
        if known is None or known.ledger_id != ledger_id or known.seq > seq:
            found = sums(reading, by, selection)
        elif known.seq == seq:
            found = known.sums
        else:
            found = added(known.sums, sums(reading, by, selection, after_seq=known.seq))
        if known is None or known.ledger_id != ledger_id or known.seq < seq:
            self._keep(key, _Known(ledger_id, seq, found, selection.directory))
        return found

    def _keep(self, key: Hashable, known: _Known) -> None:
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            while (
                len(self._known) > 1
                and sum(len(one.sums) for one in self._known.values()) > self._rows_max
            ):
                self._known.popitem(last=False)
