"""The latest charges of each of some tenants, models and features: which they are is asked of the store, and what they
come to is read from the ledger, of these alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.charge import net_charge
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.scan import Booked
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import query_parts

__all__ = ["Latest", "books_of", "latest_charges"]

_QUERIES: Final = Path(__file__).parent / "sql"
_SQL: Final = (_QUERIES / "latest.sql").read_text(encoding="utf-8")
_BOOKS_SQL: Final = (_QUERIES / "books.sql").read_text(encoding="utf-8")

Latest = Mapping[tuple[str, str | None], Sequence[tuple[str, Position]]]
"""By dimension and value: charge ids and what is booked of them there, in the order of their first entries."""


def latest_charges(
    store: Queryable,
    ledger: Ledger,
    shown: Mapping[str, Iterable[str | None]],
    selection: Selection,
    until_seq: int,
    most: int,
) -> Latest:
    """The latest charges of each value of each dimension.

    Args:
        store: what knows which.
        ledger: what knows the charges.
        shown: the values of `tenant`, `model` and `feature` that are asked for.
        selection: which calls.
        until_seq: the last entry that counts.
        most: of each value.

    Raises:
        LedgerError: if an entry is damaged.
    """
    found = {
        (name, value): deque[tuple[str, Position]](maxlen=most)
        for name, values in shown.items()
        for value in values
    }
    ids = set[str]()
    for name, values in shown.items():
        ids.update(_ids(store, name, [*values], selection, until_seq, most))
    for booked in _booked(ledger, sorted(ids), until_seq):
        charge = net_charge(booked)
        for position in () if charge is None else filter(selection.has, charge.positions):
            for key in _keys(position, selection):
                if (latest := found.get(key)) is not None:
                    latest.append((booked.charge_id, position))
    return {key: list(latest) for key, latest in found.items()}


def _ids(
    store: Queryable,
    name: str,
    values: Sequence[str | None],
    selection: Selection,
    until_seq: int,
    most: int,
) -> Iterator[str]:
    """Charges that may be among the latest of these values."""
    parts = query_parts([name], selection, first=4)
    sql = _SQL.format(**{**parts.sql, "relation": parts.before_own}, name=name, most=most)
    named = [value for value in values if value is not None]
    asked = [until_seq, named, len(named) < len(values), *parts.parameters]
    return (row[0] for row in store.query(sql, asked).rows)


def _booked(ledger: Ledger, ids: Sequence[str], until_seq: int) -> list[Booked]:
    """These charges as they were then, in the order of their first entries."""
    found = [
        Booked(charge_id, [one for one in entries if one.seq <= until_seq], None)
        for charge_id, entries in ledger.entries.by_charge(ids).items()
    ]
    return sorted((one for one in found if one.entries), key=lambda one: one.entries[0].seq)


def _keys(position: Position, selection: Selection) -> tuple[tuple[str, str | None], ...]:
    """The values that it belongs to."""
    who = position.attribution
    return (
        ("tenant", selection.tenant_of(who.tenant, position.occurred_us)),
        ("model", position.model),
        ("feature", who.labels.get("feature")),
    )


def books_of(store: Queryable, until_seq: int) -> list[str]:
    """The digests of the price books that anything is booked by, in order.

    Args:
        store: what holds the entries.
        until_seq: the last entry that counts.
    """
    return [row[0] for row in store.query(_BOOKS_SQL, [until_seq]).rows]
