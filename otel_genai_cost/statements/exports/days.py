"""What the entries of statements come to by day: the same entries, apportioned to the days of the statement's zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.limits.period import period
from otel_genai_cost.statements.exports.focus_rows import Daily
from otel_genai_cost.statements.gather import Gathering, Item, Series, Sums, series_of_entry
from otel_genai_cost.statements.periods import Calendar, Zones
from otel_genai_cost.statements.statement import Scope, Statement

__all__ = ["daily_of", "entries_of"]

_Key: TypeAlias = tuple[str, str | None, Scope | None, str | None, str, str]
"""Whose, tenant, what it is split by and its value, and the currencies of price and cost."""

_Days: TypeAlias = dict[Item, dict[tuple[int, int], tuple[int, int]]]
_SOME_DAYS: Final = Calendar("daily")


def entries_of(
    ledger: Ledger, statements: Sequence[Statement], directory: Directory
) -> Iterator[Entry]:
    """The entries that may count in some statements; of tenants that none is of, none is read.

    Args:
        ledger: is only read.
        statements: at least one.
        directory: who the tenants are.
    """
    ids: set[str | None] = {one.tenant for one in statements}
    ids.update(
        name
        for name, pieces in directory.pieces.items()
        if any(piece.row.tenant in ids for piece in pieces)
    )
    until_us = max(one.period_to_us for one in statements)
    from_us = min(one.period_from_us for one in statements)
    last = max(one.seq_to for one in statements)
    for entry in ledger.entries.of_tenants(ids, from_us):
        if entry.seq > last:
            return
        if entry.occurred_us < until_us:
            yield entry


def daily_of(
    entries: Iterable[Entry], statements: Sequence[Statement], directory: Directory
) -> Mapping[str, Daily]:
    """What was used by day, for each statement by its digest.

    Args:
        entries: all that count in them, and any others.
        statements: each with the entries from its `seq_from` to its `seq_to`.
        directory: who the tenants are.
    """
    by_key: dict[_Key, list[Statement]] = {}
    for one in statements:
        by_key.setdefault(_key_of(one), []).append(one)
    found: dict[str, _Days] = {one.digest: {} for one in statements}
    scopes: set[Scope | None] = {one.scope for one in statements}
    gatherings = [
        Gathering(directory, Zones(directory), _SOME_DAYS, scope=scope) for scope in scopes
    ]
    for entry in entries:
        for gathering in gatherings:
            for one in by_key.get(_key(series_of_entry(entry, gathering)), ()):
                if _has(one, entry):
                    _add(found[one.digest], _day(one, entry.occurred_us), entry)
    return found


def _add(days: _Days, day: tuple[int, int], entry: Entry) -> None:
    """Count what an entry comes to into its day."""
    sums = Sums(0)
    sums.add(entry)
    for item, part in sums.items.items():
        of_item = days.setdefault(item, {})
        quantity, price = of_item.get(day, (0, 0))
        of_item[day] = quantity + part.quantity, price + part.price


def _key(series: Series) -> _Key:
    whose, tenant = series.whose, series.tenant
    scope = series.scope, series.scope_value
    return (whose, tenant, *scope, series.currency, series.cost_currency)


def _key_of(one: Statement) -> _Key:
    return (one.whose, one.tenant, one.scope, one.scope_value, one.currency, one.cost_currency)


def _has(one: Statement, entry: Entry) -> bool:
    """Whether a statement, whose other facts fit, has the entry."""
    is_within = one.period_from_us <= entry.occurred_us < one.period_to_us
    return is_within and one.seq_from <= entry.seq <= one.seq_to


def _day(one: Statement, at_us: int) -> tuple[int, int]:
    """The day of an instant, in the statement's zone and within its period."""
    from_us, to_us = period("day", one.zone, 1, at_us)
    return max(from_us, one.period_from_us), min(to_us, one.period_to_us)
