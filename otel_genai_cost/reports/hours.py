"""What calls come to by the hour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.tables import atto_of, query_parts

__all__ = ["Hourly", "hourly"]

_SQL: Final = (Path(__file__).parent / "sql" / "hourly.sql").read_text(encoding="utf-8")
_NOBODY: Final = "CAST(NULL AS VARCHAR) AS tenant"


class Hourly(NamedTuple):
    """What a tenant's calls of an hour come to, `amount` in atto; hours are counted from the epoch."""

    tenant: str | None
    currency: str
    hour: int
    amount: int


def hourly(
    store: Queryable, selection: Selection = EVERYTHING, *, by_tenant: bool = True
) -> Iterator[Hourly]:
    """What calls come to by tenant and hour, where that is anything, in no order.

    Args:
        store: what holds the entries.
        selection: which calls.
        by_tenant: whether tenants are kept apart; else each row is of all of them, and names none.
    """
    parts = query_parts(["tenant" if by_tenant else "model"], selection, first=1)
    sql = _SQL.format(tenant=parts.sql["dimensions"] if by_tenant else _NOBODY, **parts.sql)
    for tenant, currency, hour, spent in store.query(sql, parts.parameters).rows:
        yield Hourly(tenant, currency, hour, atto_of(spent))
