"""Ten tenants of the last 15 minutes, asked of one store that is filled for it.

    python -m tests.bench.top_tenants_program STORE ROWS FOLDER MORE

STORE is `duckdb`, `postgresql` (MORE is its address), or `clickhouse`, by a Python that has its engine (MORE is how
many sort keys are compared; with one, sums by minute are left out). Entries of ten days in the order of time, of 5,000
tenants of which few have most; what is not asked for is left empty. It prints a line of JSON: milliseconds and bytes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.exporters.entries import entries

__all__ = ["measured"]

_BEGIN_US: Final = 1_795_000_000_000_000
_SPAN_US: Final = 10 * 86_400_000_000
_END: Final = _BEGIN_US + _SPAN_US
_SINCE: Final = _END - 15 * 60_000_000
_TIMES: Final = 9
_FILLED: Final = "seq, occurred, booked, tenant, calls, unpriced, input_tokens, amount, currency, price, price_currency"


def measured(ask: Callable[[], Any]) -> dict[str, float]:
    """The first answer, the fastest and the middle of nine others, in milliseconds.

    Args:
        ask: gives the rows, ten of them.
    """
    found: list[float] = []
    for _ in range(_TIMES + 1):
        began = time.perf_counter()
        rows = ask()
        found.append((time.perf_counter() - began) * 1000)
        assert len(rows) == 10, rows
    others = sorted(found[1:])
    return {"first": found[0], "least": others[0], "middle": others[_TIMES // 2]}


def _top(table: str, within: str) -> str:
    return (
        f"SELECT tenant, sum(amount) AS spent FROM {table} WHERE currency = 'USD' AND {within}"
        " GROUP BY tenant ORDER BY spent DESC, tenant LIMIT 10"
    )


# --- ClickHouse ---

_KEYS: Final[Mapping[str, str]] = {
    "hour, tenant, time": "(toStartOfHour(occurred), tenant, occurred)",
    "time": "(occurred, seq)",
    "tenant, time": "(tenant, occurred)",
}


def _clickhouse(rows: int, folder: str, keys: int) -> dict[str, Any]:
    """Sorted by each of some keys, the sink's own first, and summed by minute."""
    from otel_genai_exporters.clickhouse import ClickHouseSink

    sink = ClickHouseSink(Path(folder) / "aside", f"chdb://{folder}/clickhouse", database="bench")
    sink.append("ledger-1", entries(1))
    sink.reset()
    if keys == 1:
        sink._to.command("DROP VIEW {database}.entries_to_minute SYNC")
    found = {
        name: _sorted_by(sink._to, key, f"sorted_{number}" if number else "entries", rows)
        for number, (name, key) in enumerate([*_KEYS.items()][:keys])
    }
    if keys > 1:
        within = f"minute >= toDateTime({_SINCE // 1_000_000})"
        asked = _top("{database}.entries_by_minute", within)
        found["by minute"] = {"top 10": measured(lambda: sink._to.rows(asked))}
    sink.close()
    return found


def _sorted_by(to: Any, key: str, table: str, rows: int) -> dict[str, Any]:
    """Fill a table that is sorted by a key, and ask it."""
    if table != "entries":
        ((made,),) = to.rows("SHOW CREATE TABLE {database}.entries")
        own = _KEYS["hour, tenant, time"]
        assert own in made
        to.command(made.replace(".entries", f".{table}", 1).replace(own, key))
    began = time.perf_counter()
    to.command(
        f"INSERT INTO {{database}}.{table} ({_FILLED}) SELECT number + 1,"
        f" fromUnixTimestamp64Micro(toInt64({_BEGIN_US} + number * {_SPAN_US // rows})) AS occurred, occurred,"
        " concat('tenant-', toString(intDiv(toUInt64(rand(2)) * rand(3), 3689348814741910))), 1, 0, rand(4) % 9000,"
        f" toDecimal128(rand(5) % 100000000, 18) / 10000000000, 'USD', 0, 'USD' FROM numbers({rows})"
        " SETTINGS max_threads = 2, max_insert_threads = 1, max_block_size = 262144, async_insert = 0"
    )
    filled_s = time.perf_counter() - began
    moment = "fromUnixTimestamp64Micro({})"
    within = f"occurred >= {moment.format(_SINCE)} AND occurred < {moment.format(_END)}"
    top = _top(f"{{database}}.{table}", within)
    days = (
        f"SELECT toStartOfDay(occurred) AS day, sum(amount) FROM {{database}}.{table}"
        " WHERE tenant = 'tenant-17' GROUP BY day ORDER BY day LIMIT 10"
    )
    size = (
        "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = {{database:String}}"
        f" AND table = '{table}'"
    )
    found = {
        "top 10": measured(lambda: to.rows(top)),
        "a tenant by day": measured(lambda: to.rows(days)),
        "bytes": int(to.rows(size)[0][0]),
        "filled_s": filled_s,
    }
    print(table, json.dumps(found), file=sys.stderr, flush=True)
    return found


# --- DuckDB and PostgreSQL ---


def _duckdb(rows: int, folder: str) -> dict[str, Any]:
    """The file of reports."""
    import duckdb

    from otel_genai_exporters.duckdb import DuckDBSink

    path = Path(folder) / "charges.duckdb"
    sink = DuckDBSink(path)
    sink.append("ledger-1", entries(1))
    sink.reset()
    began = time.perf_counter()
    with duckdb.connect(str(path)) as db:
        db.execute("SET memory_limit = '2GB'")
        db.execute(
            f"INSERT INTO entries ({_FILLED}) SELECT i + 1, make_timestamp({_BEGIN_US} + i * {_SPAN_US // rows}),"
            f" make_timestamp({_BEGIN_US}), 'tenant-' || CAST(floor(random() * random() * 5000) AS INTEGER), 1, 0,"
            " CAST(random() * 9000 AS BIGINT),"
            " CAST(CAST(random() * 100000000 AS BIGINT) AS DECIMAL(38,18)) * CAST(0.0000000001 AS DECIMAL(10,10)),"
            f" 'USD', 0, 'USD' FROM range({rows}) AS t(i)"
        )
    filled_s = time.perf_counter() - began
    within = f"occurred >= make_timestamp({_SINCE}) AND occurred < make_timestamp({_END})"
    with duckdb.connect(str(path), read_only=True) as db:
        found = measured(lambda: db.execute(_top("entries", within)).fetchall())
    return {"top 10": found, "bytes": path.stat().st_size, "filled_s": filled_s}


def _postgresql(rows: int, folder: str, address: str) -> dict[str, Any]:
    """The sink's table by its index of times, and by one that takes less."""
    import psycopg

    from otel_genai_exporters.postgresql import PostgresqlSink

    sink = PostgresqlSink(Path(folder) / "aside", address)
    sink.append("ledger-1", entries(1))
    sink.reset()
    sink.close()
    moment = "(timestamp 'epoch' + ({}) * interval '1 us')"
    within = f"occurred >= {moment.format(_SINCE)} AND occurred < {moment.format(_END)}"
    fill: Any = (
        f"INSERT INTO entries ({_FILLED}) SELECT i + 1, {moment.format(f'{_BEGIN_US} + i * {_SPAN_US // rows}')},"
        " 'epoch', 'tenant-' || floor(random() * random() * 5000)::int, 1, 0, (random() * 9000)::int,"
        " (random() * 100000000)::bigint * 0.0000000001, 'USD', 0, 'USD'"
        f" FROM generate_series(0::bigint, {rows} - 1) AS t(i)"
    )
    brin: Any = "DROP INDEX entries_occurred; CREATE INDEX entries_occurred ON entries USING brin (occurred)"
    top: Any = _top("entries", within)
    sizes = "SELECT pg_table_size('entries'), pg_relation_size('entries_occurred'), pg_relation_size('entries_pkey')"
    began = time.perf_counter()
    with psycopg.connect(address, autocommit=True) as db:
        db.execute(fill)
        filled_s = time.perf_counter() - began
        db.execute("VACUUM ANALYZE entries")
        found = measured(lambda: db.execute(top).fetchall())
        size = db.execute(sizes).fetchone()
        db.execute(brin)
        db.execute("VACUUM ANALYZE entries")
        by_brin = measured(lambda: db.execute(top).fetchall())
    return {"top 10": found, "top 10 by BRIN": by_brin, "bytes": size, "filled_s": filled_s}


def main(store: str, rows: int, folder: str, more: str) -> None:
    if store == "clickhouse":
        found = _clickhouse(rows, folder, int(more))
    elif store == "duckdb":
        found = _duckdb(rows, folder)
    else:
        found = _postgresql(rows, folder, more)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
