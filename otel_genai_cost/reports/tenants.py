"""The registry's tenants with what they cost, and the ids of calls that are in no row of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple

from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.ledger.tenants.row import TenantRow, is_address, row_record
from otel_genai_cost.reports.tables import EXACT, Group, decimal_text

__all__ = ["SEEN", "Listed", "listed", "listed_record"]

SEEN: Final = ("registered", "tenant", "booked_tenant")
"""What the report is grouped by that `listed` takes."""

State = Literal["current", "merged", "future", "ended", "unknown"]
"""What a tenant's row is to the time asked for; `unknown`: an id that is in no row at the time of its calls."""


class Listed(NamedTuple):
    """A tenant, or an id that is none.

    Attributes:
        row: the one that holds at the time asked for, else the next, else the last; of an unknown id an empty one.
        state: of that row.
        calls: made for it; under all of its ids, while they were its.
        spend: by currency, what of them has a price.
        warnings: what is wrong with its ids or its name.
    """

    row: TenantRow
    state: State
    calls: int
    spend: dict[str, Decimal]
    warnings: tuple[str, ...]


def listed(directory: Directory, at_us: int, seen: Sequence[Group]) -> list[Listed]:
    """Every tenant of the registry by its id, then every unknown id by its.

    Args:
        directory: who the tenants are.
        at_us: of which time the rows are, unix microseconds.
        seen: calls, grouped by `SEEN`.
    """
    names = _names(directory, at_us)
    own, strange = _by(seen, "yes", "tenant"), _by(seen, "no", "booked_tenant")
    known = [
        _listed(row, state, own.get(row.tenant, ()), names)
        for row, state in _states(directory, at_us)
    ]
    unknown = [
        _listed(TenantRow(name, 0), "unknown", strange[name], names) for name in sorted(strange)
    ]
    return [*known, *unknown]


def _by(seen: Iterable[Group], registered: str, key: str) -> dict[str, list[Group]]:
    """Groups of calls whose id is in a row of the registry, or in none, by one of their keys."""
    found: dict[str, list[Group]] = {}
    for one in seen:
        if one.keys["registered"] == registered:
            found.setdefault(one.keys[key] or "", []).append(one)
    return found


def _states(directory: Directory, at_us: int) -> Iterator[tuple[TenantRow, State]]:
    for tenant, of_tenant in groupby(directory.rows, key=lambda row: row.tenant):
        rows = list(of_tenant)
        holds = directory.own(tenant, at_us)
        later = [row for row in rows if row.from_us > at_us]
        if holds is not None:
            yield holds, "current" if holds.merged_into is None else "merged"
        else:
            yield (later[0], "future") if later else (rows[-1], "ended")


def _names(directory: Directory, at_us: int) -> dict[str, list[str]]:
    """The tenants of each name at a time."""
    found: dict[str, list[str]] = {}
    for row, state in _states(directory, at_us):
        if state == "current" and "name" in row.words:
            found.setdefault(row.words["name"], []).append(row.tenant)
    return found


def _listed(
    row: TenantRow, state: State, groups: Iterable[Group], names: dict[str, list[str]]
) -> Listed:
    calls, spend = 0, dict[str, Decimal]()
    for group in groups:
        calls += group.calls
        if group.at_least is not None:
            so_far = spend.get(group.currency, Decimal(0))
            spend[group.currency] = EXACT.add(so_far, group.at_least)
    return Listed(row, state, calls, spend, tuple(_warnings(row, state, names)))


def _warnings(row: TenantRow, state: State, names: dict[str, list[str]]) -> Iterator[str]:
    for name in (row.tenant, *row.aliases):
        if is_address(name):
            yield f"{name} looks like an e-mail address: use an id that says nothing of a person"
    others = [other for other in names.get(row.words.get("name", ""), ()) if other != row.tenant]
    if others and state == "current":
        yield f"{', '.join(others)} has the same name: reports by name add them up"


def listed_record(one: Listed) -> dict[str, Any]:
    """As JSON: money is decimal strings."""
    record = row_record(one.row)
    is_known = one.state != "unknown"
    return {
        **record,
        "from": record["from"] if is_known else None,
        "registered": is_known,
        "state": one.state,
        "calls": one.calls,
        "spend": {currency: decimal_text(amount) for currency, amount in one.spend.items()},
        "warnings": list(one.warnings),
    }
