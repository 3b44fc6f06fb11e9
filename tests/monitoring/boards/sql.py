"""What the dashboards over the ledger's entries ask, in the dialect of PostgreSQL and in that of ClickHouse.

The two ask the same in the same words but for time. A figure is a sum over entries, as `genai-cost report` has it: what
no call of a group has a price for is null, not 0, and currencies are never added up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tests.monitoring.boards.panel import PanelOf

__all__ = ["CLICKHOUSE", "CURRENCIES", "POSTGRESQL", "Dialect", "panels"]


class Dialect(NamedTuple):
    """How a store says what is not standard SQL.

    Attributes:
        name: of the store.
        plugin: of the data source, as Grafana names it.
        begin: the first instant of the period that is looked at.
        end: the first after it. Grafana ends a month at 23:59:59.999, and a range of its own where it is asked to.
        stretch: the instant at which the hour, day, week or month of an entry begins on the zone's clock.
    """

    name: str
    plugin: str
    begin: str
    end: str
    stretch: str


_LOCAL: Final = "(occurred AT TIME ZONE 'UTC' AT TIME ZONE ${zone:sqlstring})"
POSTGRESQL: Final = Dialect(
    "postgresql",
    "grafana-postgresql-datasource",
    "$__timeFrom()::timestamp",
    "date_trunc('second', $__timeTo()::timestamp + interval '1 millisecond')",
    f"CASE ${{stretch:sqlstring}} WHEN 'hour' THEN date_trunc('hour', {_LOCAL}) - ({_LOCAL} - occurred)"
    f" ELSE date_trunc(${{stretch:sqlstring}}, {_LOCAL}) AT TIME ZONE ${{zone:sqlstring}} AT TIME ZONE 'UTC' END",
)
CLICKHOUSE: Final = Dialect(
    "clickhouse",
    "grafana-clickhouse-datasource",
    "$__fromTime_ms",
    "toStartOfSecond($__toTime_ms + INTERVAL 1 MILLISECOND)",
    "toTimeZone(toDateTime(dateTrunc(${stretch:sqlstring}, occurred, ${zone:sqlstring}), ${zone:sqlstring}), 'UTC')",
)

CURRENCIES: Final = (
    "SELECT DISTINCT found.one FROM (SELECT currency AS one FROM entries"
    " UNION ALL SELECT price_currency AS one FROM entries) AS found WHERE found.one IS NOT NULL ORDER BY 1"
)
"""What the dashboard's list of currencies asks."""

_CURRENCY: Final = "currency = ${currency:sqlstring}"
_PRICED_IN: Final = "price_currency = ${currency:sqlstring}"
_TENANT: Final = "(${tenant:sqlstring} = '' OR coalesce(tenant, '(none)') = ${tenant:sqlstring})"
_COST: Final = "CASE WHEN sum(calls) <> sum(unpriced) THEN sum(amount) END"
_ANY: Final = "HAVING sum(calls) <> 0 OR sum(amount) <> 0"


def panels(dialect: Dialect) -> Iterator[PanelOf]:
    """The panels of the dashboard, in the order of reading.

    Args:
        dialect: of the store.
    """
    words = _words(dialect)
    for one in (*_HEADLINES, *_TREND, *_TABLES):
        query = one.query
        for name, text in words.items():
            query = query.replace(f"@{name}@", text)
        yield one._replace(query=query)


def _words(dialect: Dialect) -> Mapping[str, str]:
    within = f"occurred >= {dialect.begin} AND occurred < {dialect.end}"
    return {
        "of": f"{within} AND {_TENANT}",
        "within": within,
        "before": f"occurred >= {dialect.begin} - ({dialect.end} - {dialect.begin}) AND occurred < {dialect.begin}"
        if dialect is POSTGRESQL
        else _BEFORE_IN_CLICKHOUSE,
        "mine": _TENANT,
        "currency": _CURRENCY,
        "priced_in": _PRICED_IN,
        "cost": _COST,
        "any": _ANY,
        "stretch": dialect.stretch,
    }


_BEFORE_IN_CLICKHOUSE: Final = (
    "occurred >= $__fromTime_ms - toIntervalMillisecond(toUnixTimestamp64Milli("
    "toDateTime64(toStartOfSecond($__toTime_ms + INTERVAL 1 MILLISECOND), 3)) - toUnixTimestamp64Milli($__fromTime_ms))"
    " AND occurred < $__fromTime_ms"
)

_HEADLINES: Final = (
    PanelOf(
        "Cost",
        "stat",
        'SELECT @cost@ AS "Cost" FROM entries WHERE @of@ AND @currency@',
        "What the calls of this period cost us. Empty where none of them has a price.",
        4,
        4,
    ),
    PanelOf(
        "Price",
        "stat",
        'SELECT CASE WHEN sum(calls) <> sum(unpriced) THEN sum(price) END AS "Price" FROM entries'
        " WHERE @of@ AND @priced_in@",
        "What customers pay for them, by their contracts.",
        4,
        4,
    ),
    PanelOf(
        "Calls", "stat", 'SELECT sum(calls) AS "Calls" FROM entries WHERE @of@', "Charges.", 4, 4
    ),
    PanelOf(
        "Without a price",
        "stat",
        'SELECT sum(unpriced) AS "Without a price" FROM entries WHERE @of@',
        "Calls whose cost is not known, and is in no sum: `genai-cost unpriced` says why.",
        4,
        4,
    ),
    PanelOf(
        "Cost that is somebody's",
        "stat",
        "SELECT sum(CASE WHEN tenant IS NOT NULL THEN amount ELSE 0 END) / nullif(sum(amount), 0)"
        ' AS "Share" FROM entries WHERE @of@ AND @currency@',
        "Of the cost, what is a tenant's: `genai-cost coverage` says where the rest comes from.",
        4,
        4,
        "percentunit",
    ),
    PanelOf(
        "Booked until",
        "stat",
        'SELECT max(booked) AS "Booked until" FROM entries',
        "When the newest entry that is here was booked.",
        4,
        4,
        "dateTimeAsLocal",
    ),
)

_TREND: Final = (
    PanelOf(
        "Cost over time",
        "bars",
        "WITH chosen AS (SELECT @stretch@ AS t, coalesce(${by:raw}, '(none)') AS who, amount FROM entries"
        " WHERE @of@ AND @currency@),"
        " greatest AS (SELECT who FROM chosen GROUP BY who ORDER BY sum(amount) DESC, who LIMIT 10)"
        ' SELECT t AS "time", CASE WHEN who IN (SELECT who FROM greatest) THEN who ELSE \'(others)\' END AS "metric",'
        ' sum(amount) AS "value" FROM chosen GROUP BY 1, 2 ORDER BY 1, 2',
        "By what is chosen above: the ten that cost most, and all others. Days and weeks are those of the zone.",
        24,
        10,
    ),
)

_TABLES: Final = (
    PanelOf(
        "Tenants",
        "table",
        "WITH these AS (SELECT coalesce(tenant, '(none)') AS who, sum(calls) AS n, sum(unpriced) AS n_unpriced,"
        " @cost@ AS spent, sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out FROM entries"
        " WHERE @of@ AND @currency@ GROUP BY 1 @any@),"
        " earlier AS (SELECT coalesce(tenant, '(none)') AS who, @cost@ AS spent FROM entries"
        " WHERE @before@ AND @mine@ AND @currency@ GROUP BY 1)"
        ' SELECT these.who AS "Tenant", these.n AS "Calls", these.n_unpriced AS "Without a price",'
        ' these.spent AS "Cost",'
        ' earlier.spent AS "Before", these.spent - coalesce(earlier.spent, 0) AS "Change",'
        ' these.tokens_in AS "Tokens in", these.tokens_out AS "Tokens out"'
        " FROM these LEFT JOIN earlier ON earlier.who = these.who ORDER BY 4 DESC, 1",
        "`Before` is the period of the same length before this one. A click on a tenant shows that one alone.",
        24,
        10,
    ),
    PanelOf(
        "Models",
        "table",
        'SELECT coalesce(provider, \'-\') AS "Provider", coalesce(model, \'-\') AS "Model", sum(calls) AS "Calls",'
        ' sum(unpriced) AS "Without a price", @cost@ AS "Cost",'
        ' (@cost@) / nullif(sum(calls) - sum(unpriced), 0) AS "A call",'
        ' (@cost@) * 1000 / nullif(sum(input_tokens) + sum(output_tokens), 0) AS "1,000 tokens"'
        " FROM entries WHERE @of@ AND @currency@ GROUP BY provider, model @any@ ORDER BY 5 DESC, 1, 2",
        "What a call costs is of those with a price.",
    ),
    PanelOf(
        "Price and cost",
        "table",
        'SELECT coalesce(tenant, \'(none)\') AS "Tenant", sum(amount) AS "Cost", sum(price) AS "Price",'
        ' sum(price) - sum(amount) AS "Left" FROM entries'
        " WHERE @of@ AND @currency@ AND @priced_in@ GROUP BY tenant @any@ ORDER BY 4, 1",
        "Where both are in the currency chosen. `genai-cost margin` knows subscriptions and seats, too.",
    ),
    PanelOf(
        "Features",
        "table",
        'SELECT coalesce(feature, \'-\') AS "Feature", sum(calls) AS "Calls", sum(unpriced) AS "Without a price",'
        ' @cost@ AS "Cost" FROM entries WHERE @of@ AND @currency@ GROUP BY feature @any@ ORDER BY 4 DESC, 1',
        "As the application names them.",
        8,
    ),
    PanelOf(
        "Without a price, and why",
        "table",
        'SELECT coalesce(reason, \'-\') AS "Why", coalesce(model, \'-\') AS "Model", sum(unpriced) AS "Calls"'
        " FROM entries WHERE @of@ GROUP BY reason, model HAVING sum(unpriced) <> 0 ORDER BY 3 DESC, 1, 2",
        "Add a price file, and they are rated again.",
        8,
    ),
    PanelOf(
        "Nobody's, and why",
        "table",
        'SELECT coalesce(service, \'-\') AS "Service", coalesce(absent, \'-\') AS "Why", sum(calls) AS "Calls",'
        ' @cost@ AS "Cost" FROM entries WHERE @within@ AND @currency@ AND tenant IS NULL'
        " GROUP BY service, absent @any@ ORDER BY 4 DESC, 1, 2",
        "Of which service, and what was missing.",
        8,
    ),
    PanelOf(
        "How well usage is known",
        "table",
        'SELECT coalesce(quality, \'-\') AS "Usage", sum(calls) AS "Calls", @cost@ AS "Cost" FROM entries'
        " WHERE @of@ AND @currency@ GROUP BY quality @any@ ORDER BY 3 DESC, 1",
        "What a provider reported, and what is an estimate.",
        8,
    ),
    PanelOf(
        "Dearest calls",
        "table",
        'SELECT charge_id AS "Charge", max(occurred) AS "Ended", coalesce(tenant, \'(none)\') AS "Tenant",'
        ' coalesce(model, \'-\') AS "Model", sum(amount) AS "Cost" FROM entries WHERE @of@ AND @currency@'
        " GROUP BY charge_id, tenant, model @any@ ORDER BY 5 DESC, 1 LIMIT 20",
        "`genai-cost explain CHARGE` shows the receipt.",
        16,
    ),
)
