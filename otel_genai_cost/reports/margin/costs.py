"""The cost side of margin: sums over entries, by tenant, plan and feature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.tenants.row import plan_of
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.reports.margin.cell import Cell, CellKey
from otel_genai_cost.reports.margin.conversion import Conversion
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import atto_of, query_parts

__all__ = ["DIMENSIONS", "costs"]

_SQL: Final = (Path(__file__).parents[1] / "sql" / "margin.sql").read_text(encoding="utf-8")
DIMENSIONS: Final = ("tenant", "tenant_plan", "plan", "feature", "absent")


def costs(
    store: Queryable, selection: Selection, conversion: Conversion, until_seq: int | None = None
) -> dict[CellKey, Cell]:
    """What the calls selected cost.

    Args:
        store: what holds the entries.
        selection: which calls.
        conversion: into the report's currency.
        until_seq: the last entry that counts.
    """
    parts = query_parts(DIMENSIONS, selection, first=2)
    sql = _SQL.format(stretch=_stretch(conversion.changes), **parts.sql)
    found: dict[CellKey, Cell] = {}
    rows = store.query(sql, [until_seq, *parts.parameters]).rows
    for tenant, registered, label, feature, absent, *sums in rows:
        key = CellKey(
            tenant, plan_of(registered, label), feature, None if tenant is not None else absent
        )
        _add(found.setdefault(key, Cell()), sums, conversion)
    return found


def _add(cell: Cell, sums: Sequence[Any], conversion: Conversion) -> None:
    currency, stretch, calls, unpriced, amount = sums
    cell.calls += calls
    cell.unpriced += unpriced
    atto = atto_of(amount)
    fine = conversion.fine(atto, currency, _instant(conversion.changes, stretch))
    if fine is None:
        cell.leave(currency, atto, is_revenue=False)
    else:
        cell.cost += fine


def _stretch(changes: Sequence[int]) -> str:
    """How many changes of a rate were before a call."""
    cases = "".join(
        f" WHEN occurred >= TIMESTAMP '{rfc3339(us).removesuffix('Z')}' THEN {n}"
        for n, us in reversed(list(enumerate(changes, start=1)))
    )
    return f"CASE{cases} ELSE 0 END" if cases else "0"


def _instant(changes: Sequence[int], stretch: int) -> int:
    """An instant of a stretch."""
    if not changes:
        return 0
    return changes[stretch - 1] if stretch else changes[0] - 1
