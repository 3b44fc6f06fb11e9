"""Sums that were made before and the entries since: what a page asks for again takes no longer than what is new."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from otel_genai_cost.pages.answers import Answers
from otel_genai_cost.reports.caching import CacheSums, cache_sums
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.sums import Sums, added, plus, plus_each
from otel_genai_cost.reports.tables import Group, groups_of, sums
from otel_genai_cost.reports.unit_costs import Tokens, tokens_by

if TYPE_CHECKING:
    from otel_genai_cost.pages.figures import Reading

__all__ = ["Remembered"]

K = TypeVar("K")
V = TypeVar("V")

_ROWS_MAX: Final = 200_000
"""Some sixty megabytes: of 300 tenants, ten charts of 13 months."""

_PART: Final = 4
"""What has more than this part of all rows is not kept."""


class _Known(NamedTuple):
    """Sums up to an entry."""

    ledger_id: str
    seq: int
    sums: Mapping[Any, Any]


class Remembered:
    """Reports that were made. Entries are only ever added, so the sums of the first of them stay what they are.

    Args:
        rows_max: how many rows are kept; those that were not asked for longest go.
    """

    def __init__(self, rows_max: int = _ROWS_MAX) -> None:
        self._known = Answers[_Known](rows_max, _PART)

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
        ask = partial(sums, reading, by, selection)
        return self._of(reading, ("sums", *by), selection, ask, plus)

    def tokens(self, reading: Reading, by: Sequence[str], selection: Selection) -> Tokens:
        """As `reports.unit_costs.tokens_by`, of the entries of a reading.

        Args:
            reading: the entries.
            by: names of dimensions.
            selection: which calls.

        Raises:
            ConfigurationError: for a dimension there is none of.
        """
        ask = partial(tokens_by, reading, by, selection)
        return self._of(reading, ("tokens", *by), selection, ask, plus_each)

    def caches(self, reading: Reading, selection: Selection) -> CacheSums:
        """As `reports.caching.cache_sums`, of the entries of a reading.

        Args:
            reading: the entries.
            selection: which calls.
        """
        ask = partial(cache_sums, reading, selection)
        return self._of(reading, ("caches",), selection, ask, plus_each)

    def _of(
        self,
        reading: Reading,
        what: tuple[str, ...],
        selection: Selection,
        ask: Callable[..., Mapping[K, V]],
        plus: Callable[[V, V], V],
    ) -> Mapping[K, V]:
        """What `ask` gives of all entries; where it was asked before, of those since, and added."""
        ledger_id, seq = reading.position()
        known = self._known.get(what, selection)
        if known is None or known.ledger_id != ledger_id:
            found = ask()
        elif known.seq == seq:
            return known.sums
        elif known.seq > seq:
            return ask()
        else:
            found = added(known.sums, ask(after_seq=known.seq), plus)
        self._known.keep(what, selection, _Known(ledger_id, seq, found), len(found))
        return found
