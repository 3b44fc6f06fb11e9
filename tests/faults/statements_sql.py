"""What statements have to come to, by SQL over the entries and the registry as they are printed, in another engine."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any, Final

import duckdb

from otel_genai_cost.ledger.entry import Entry, entry_record
from otel_genai_cost.ledger.tenants.row import TenantRow

__all__ = ["Expected", "expected", "payable"]

Expected = dict[tuple[str, str, str, str], tuple[Decimal, Decimal, int]]
"""Price, cost and calls by whose, month, zone and currency."""

_SQL: Final = """
WITH held AS (
    SELECT tenant, from_us, zone, merged,
           coalesce(lead(from_us) OVER (PARTITION BY tenant ORDER BY from_us), 4611686018427387904) AS to_us
    FROM registry
),
named AS (
    SELECT e.*, coalesce(m.merged, a.tenant, e.tenant) AS whose_id
    FROM entries e
    LEFT JOIN held m ON m.tenant = e.tenant AND e.occurred_us >= m.from_us AND e.occurred_us < m.to_us
    LEFT JOIN alias a ON a.alias = e.tenant
),
placed AS (
    SELECT n.*, coalesce(h.zone, 'UTC') AS zone
    FROM named n
    LEFT JOIN held h ON h.tenant = n.whose_id AND n.occurred_us >= h.from_us AND n.occurred_us < h.to_us
)
SELECT coalesce(whose_id, CASE absent WHEN 'system' THEN 'system' ELSE 'unattributed' END) AS whose,
       strftime(timezone(zone, make_timestamptz(occurred_us)), '%Y-%m') AS month,
       zone, price_currency, sum(price), sum(amount), sum(calls)
FROM placed GROUP BY ALL
"""
_PLACES: Final = {"JPY": 0}


def expected(entries: Iterable[Entry], rows: Iterable[TenantRow]) -> Expected:
    """The sums by SQL: the zone of a call's time decides in which month it is. What is merged or an alias counts as
    the fleet's registry says, which has no chains of either."""
    with duckdb.connect() as db:
        db.execute(
            "CREATE TABLE entries (tenant VARCHAR, absent VARCHAR, occurred_us BIGINT, price_currency VARCHAR,"
            " price DECIMAL(38,18), amount DECIMAL(38,18), calls INTEGER)"
        )
        db.execute(
            "CREATE TABLE registry (tenant VARCHAR, from_us BIGINT, zone VARCHAR, merged VARCHAR)"
        )
        db.execute("CREATE TABLE alias (tenant VARCHAR, alias VARCHAR)")
        _insert(db, "entries", [_entry(one) for one in entries])
        known = list(rows)
        _insert(db, "registry", [_registered(row) for row in known])
        _insert(db, "alias", [(row.tenant, one) for row in known for one in row.aliases])
        return {
            (whose, month, zone, currency): (price, cost, int(calls))
            for whose, month, zone, currency, price, cost, calls in db.execute(_SQL).fetchall()
        }


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """As text, so that what the engine makes of it is its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        csv.writer(file).writerows(rows)
        file.flush()
        if Path(file.name).stat().st_size:
            options = "header = false, all_varchar = true, nullstr = ''"
            db.execute(f"INSERT INTO {table} SELECT * FROM read_csv('{file.name}', {options})")


def _entry(one: Entry) -> tuple[Any, ...]:
    record = entry_record(one)
    names = ("tenant", "absent", "occurred_us", "price_currency", "price", "amount", "calls")
    return tuple(record[name] for name in names)


def _registered(row: TenantRow) -> tuple[Any, ...]:
    return (row.tenant, row.from_us, row.billing.time_zone, row.merged_into)


def payable(price: Decimal, currency: str) -> Decimal:
    """Rounded to what the currency is paid in."""
    with localcontext() as context:
        context.prec = 60
        place = Decimal(1).scaleb(-_PLACES.get(currency, 2))
        return price.quantize(place, ROUND_HALF_EVEN)
