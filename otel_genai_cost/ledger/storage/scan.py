"""Every charge in one pass, in the order of the entries.

Nearly every charge has one entry. Which have several is read off the index beforehand, and they come with all of theirs
where the first one stands; so nothing is asked for charge by charge, and no more than a few are held.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.packed_id import shown_id
from otel_genai_cost.ledger.storage.entries import Entries
from otel_genai_cost.ledger.storage.observations import Observations

__all__ = ["Booked", "Scan"]

_READ: Final = 20
"""Entries held at a time: with hundreds, half of the time goes to the collector of garbage."""

_SEVERAL: Final = (
    "WITH several AS (SELECT charge_id, min(seq) AS first FROM entry GROUP BY charge_id HAVING count(*) > 1)"
    " SELECT entry.seq, several.first FROM several JOIN entry USING (charge_id) ORDER BY entry.seq"
)
_NO_MORE: Final = (0, 0)

_FOUNDERS: Final = "SELECT charge_id, response_id FROM observation WHERE id = charge_id AND response_id > '' ORDER BY n"
_AHEAD_MAX: Final = 20_000
"""How far observations are read ahead of the entries: they come in nearly the same order."""


class Booked(NamedTuple):
    """A charge as it is booked: its entries in order, and the response id of the observation nearest to the provider;
    None where no provider named one, and where it was not asked for."""

    charge_id: str
    entries: Sequence[Entry]
    response_id: str | None


class Scan:
    """Reads an open ledger. It raises LedgerError if a row is damaged.

    Args:
        db: its connection.
        entries: one table of it.
        observations: the other.
    """

    def __init__(
        self, db: sqlite3.Connection, entries: Entries, observations: Observations
    ) -> None:
        self._db, self._entries, self._observations = db, entries, observations

    def charges(self, *, with_response_ids: bool = True) -> Iterator[Booked]:
        """Every charge, in the order of its first entry: all of them as they are when the first is asked for.

        Args:
            with_response_ids: whether to look for what the observations name.
        """
        with self._unchanged():
            responses = _Responses(self._db, self._observations)
            several = self._db.execute(_SEVERAL)
            every = iter(self._entries)
            seq, first = next(several, _NO_MORE)
            while part := list(islice(every, _READ)):
                found: list[Entry] = []
                again: list[str] = []
                for entry in part:
                    if entry.seq != seq:
                        found.append(entry)
                        continue
                    if seq == first:
                        found.append(entry)
                        again.append(entry.charge_id)
                    seq, first = next(several, _NO_MORE)
                yield from self._booked(found, again, responses if with_response_ids else None)

    def _booked(
        self, firsts: Sequence[Entry], again: Sequence[str], responses: _Responses | None
    ) -> Iterator[Booked]:
        """The charges of these entries; those to look up again have more."""
        entries = self._entries.by_charge(again)
        ids = {} if responses is None else responses.of([entry.charge_id for entry in firsts])
        for entry in firsts:
            charge_id = entry.charge_id
            yield Booked(charge_id, entries.get(charge_id) or (entry,), ids.get(charge_id))

    @contextmanager
    def _unchanged(self) -> Generator[None, None, None]:
        """See what is there now, whatever is written meanwhile."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")


class _Responses:
    """Response ids, most of them off the table in its own order: the observation that founded a charge has its id. To
    look each up by its charge is a leap through the file."""

    def __init__(self, db: sqlite3.Connection, observations: Observations) -> None:
        self._observations = observations
        self._founders = db.execute(_FOUNDERS)
        self._ahead: dict[str, str] = {}

    def of(self, charge_ids: Sequence[str]) -> dict[str, str]:
        """As `Observations.response_ids` has them."""
        found, missing = dict[str, str](), list[str]()
        for charge_id in charge_ids:
            while charge_id not in self._ahead and self._read():
                pass
            response_id = self._ahead.pop(charge_id, None)
            if response_id is None:
                missing.append(charge_id)
            else:
                found[charge_id] = response_id
        return found | self._observations.response_ids(missing)

    def _read(self) -> bool:
        """Some more; not if enough wait already."""
        if len(self._ahead) >= _AHEAD_MAX:
            return False
        found = self._founders.fetchmany(_READ)
        for charge_id, response_id in found:
            self._ahead.setdefault(shown_id(charge_id), response_id)
        return bool(found)
