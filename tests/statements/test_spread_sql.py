"""What tenants bear of what is nobody's, by SQL over the entries in another engine: the same to the last digit."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from otel_genai_cost.ledger.entry import Entry, entry_record
from otel_genai_cost.ledger.tenants.directory import Directory, directory_of
from otel_genai_cost.pricing.instants import midnight_us, zone_of
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.margin.spreading import SPREAD_RULES, SpreadRule
from otel_genai_cost.statements.run import Spreading
from otel_genai_cost.statements.statement import Statement
from tests.statements.ledgers import book, entry, line
from tests.statements.runs import DAY_US, row, run

_SQL: Final = """
WITH placed AS (
    SELECT e.*, strftime(timezone(coalesce(zone, 'UTC'), make_timestamptz(occurred_us)), '%Y-%m') AS month
    FROM entries e LEFT JOIN registry r ON r.tenant = e.tenant
),
own AS (
    SELECT tenant, month, price_currency AS currency, sum(price) AS price, sum(amount) AS cost, sum(calls) AS calls
    FROM placed WHERE tenant IS NOT NULL GROUP BY ALL
),
weighed AS (
    SELECT *, CAST(greatest(CASE $rule WHEN 'cost' THEN cost * 1000000000 WHEN 'calls' THEN calls
                            WHEN 'revenue' THEN price * 1000000000 ELSE 1 END, 0) AS HUGEINT) AS weight
    FROM own
),
amounts AS (
    SELECT absent, month, price_currency AS currency, 'price' AS what, price AS part FROM placed WHERE tenant IS NULL
    UNION ALL
    SELECT absent, month, price_currency, 'cost', amount FROM placed WHERE tenant IS NULL
),
nobodys AS (
    SELECT absent = 'system' AS is_shared, month, currency, what,
           CAST(sum(part) * 1000000000000000000 AS HUGEINT) AS total
    FROM amounts GROUP BY ALL
),
divided AS (
    SELECT tenant, month, currency, is_shared, what, total, total * weight // sum(weight) OVER each AS least,
           total * weight % sum(weight) OVER each AS rest
    FROM nobodys JOIN weighed USING (month, currency)
    WINDOW each AS (PARTITION BY month, currency, is_shared, what)
),
ranked AS (
    SELECT *, row_number() OVER (each ORDER BY rest DESC, tenant) AS place, total - sum(least) OVER each AS left_over
    FROM divided WINDOW each AS (PARTITION BY month, currency, is_shared, what)
),
borne AS (
    SELECT tenant, month, currency, what, sum(least + CASE WHEN place <= left_over THEN 1 ELSE 0 END) AS part
    FROM ranked GROUP BY ALL
)
SELECT tenant, month, currency,
       CAST(price * 1000000000000000000 AS HUGEINT) + coalesce(sum(part) FILTER (what = 'price'), 0),
       CAST(cost * 1000000000000000000 AS HUGEINT) + coalesce(sum(part) FILTER (what = 'cost'), 0)
FROM own LEFT JOIN borne USING (tenant, month, currency) GROUP BY tenant, month, currency, price, cost
"""
_ZONES: Final = ("Europe/Berlin", "America/New_York", "Pacific/Chatham", "Asia/Kolkata", None)


def _fleet(draw: random.Random) -> tuple[Directory, dict[str, str | None], list[Entry]]:
    """Tenants of several zones and currencies, whose calls are of three months, and close to their ends."""
    zones = {f"t{n}": _ZONES[n % len(_ZONES)] for n in range(9)}
    begin, end = (midnight_us(date(2026, month, 1), zone_of("UTC")) for month in (8, 11))
    entries: list[Entry] = []
    for number in range(400):
        at_us = draw.choice((draw.randrange(begin, end), end - draw.randrange(20) * DAY_US // 24))
        who = draw.choice((*zones, *zones, None, None))
        cost = format_money(draw.randrange(1, 10**9) * 10**9)
        lines = [line("input", 7, cost)]
        if number % 3 == 0:
            lines.append(line("input", 7, format_money(draw.randrange(10**9) * 10**9), "price"))
        facts: dict[str, Any] = {"absent": "system" if who is None and number % 2 else None}
        if who is not None and number % 5 == 0:
            facts["billed_in"] = "EUR"
        entries.append(entry(number, who, at_us, cost, lines=tuple(lines), **facts))
    rows = [row(name, "2026-01-01T00:00:00Z", zone) for name, zone in zones.items()]
    return directory_of(rows), zones, entries


def _expected(
    entries: list[Entry], zones: dict[str, str | None], rule: str
) -> dict[tuple[str, str, str], tuple[int, int]]:
    with duckdb.connect() as db:
        db.execute(
            "CREATE TABLE entries (tenant VARCHAR, absent VARCHAR, occurred_us BIGINT, price_currency VARCHAR,"
            " price DECIMAL(38,18), amount DECIMAL(38,18), calls INTEGER)"
        )
        db.execute("CREATE TABLE registry (tenant VARCHAR, zone VARCHAR)")
        names = ("tenant", "absent", "occurred_us", "price_currency", "price", "amount", "calls")
        records = [entry_record(one) for one in entries]
        db.executemany(
            "INSERT INTO entries VALUES (?,?,?,?,?,?,?)",
            [[record[name] for name in names] for record in records],
        )
        db.executemany("INSERT INTO registry VALUES (?,?)", list(zones.items()))
        return {
            (tenant, month, currency): (price, cost)
            for tenant, month, currency, price, cost in db.execute(_SQL, {"rule": rule}).fetchall()
        }


@pytest.mark.parametrize("rule", SPREAD_RULES)
def test_independent_sql_says_the_same_to_the_last_digit(tmp_path: Path, rule: SpreadRule) -> None:
    directory, zones, entries = _fleet(random.Random(f"{rule}"))
    spreading = Spreading(rule, overrules=True)
    found: list[Statement] = []
    for several in (entries[:300], entries[300:]):
        book(tmp_path, several)
        found = [
            one
            for month in (8, 9, 10)
            for one in run(
                tmp_path, day=date(2026, month, 1), directory=directory, spreading=spreading
            ).statements
        ]
    assert max(one.revision for one in found) == 2
    sums: dict[tuple[str, str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for one in found:
        key = (one.tenant or one.whose, one.label, one.currency)
        sums[key] = sums[key][0] + one.price, sums[key][1] + one.cost
    nobodys = {key: sums.pop(key) for key in list(sums) if key[0] in ("unattributed", "system")}
    assert set(nobodys.values()) == {(0, 0)}
    assert len(nobodys) == 6
    expected = _expected(entries, zones, rule)
    assert sums == {key: value for key, value in expected.items() if key[1] < "2026-11"}
    for n, of_entry in ((0, "price"), (1, "amount")):
        whole = sum(value[n] for value in expected.values())
        assert whole == sum(getattr(one, of_entry) for one in entries)
