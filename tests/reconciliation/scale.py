"""How long a month's bill takes beside many charges, and with how much memory.

    python -m tests.reconciliation.scale [CHARGES [KEY]]

With a KEY, such as tenant, the bill tells the calls of each of its values apart. The store is filled by SQL with
charges of a month, as the sink would: making them costs more than comparing them.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import timezone
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.ours import day_and_edge, ours, selection_of_days
from otel_genai_cost.reconciliation.run import compare
from otel_genai_exporters.duckdb import DuckDBSink
from tests.ledger.build import BOOK

__all__ = ["Measured", "filled", "measured"]

DAYS: Final = ("2026-10-01", "2026-10-31")
_MODELS: Final = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14")
_FILL: Final = """
INSERT INTO entries BY NAME
SELECT n AS seq, md5(n::VARCHAR) AS id, md5(n::VARCHAR) AS charge_id, 0 AS revision, 'charged' AS cause,
       TIMESTAMP '2026-10-01' + to_microseconds(n * (2678400000000 // {charges})) AS occurred,
       'tenant-' || n % 300 AS tenant, 'shop' AS service, 'openai' AS provider, 'chat' AS operation,
       [{models}][1 + n % 3] AS model, 'reported' AS quality, 1 AS calls, 0 AS unpriced, 'USD' AS currency,
       printf('{{"input": %d, "cache_read": %d, "output": %d}}', 100 + n % 900, n % 77, 10 + n % 55) AS usage,
       printf('[' || {line} || ',' || {line} || ',' || {line} || ']',
              'input', 100 + n % 900, '2.5', (100 + n % 900) * 2500000000000,
              'cache_read', n % 77, '1.25', (n % 77) * 1250000000000,
              'output', 10 + n % 55, '10', (10 + n % 55) * 10000000000000) AS lines
FROM range({charges}) AS t(n)
"""

_LINE: Final = (
    """'{"kind": "list", "side": "cost", "leaf": "%s", "quantity": %d, "unit_price": "%s", '"""
    """ || '"per": 1000000, "amount": "0.%018d"}'"""
)


class Measured(NamedTuple):
    """Charges and cells compared, cells that are not equal, seconds, seconds of processors, and the most memory that
    the process had, in MiB."""

    charges: int
    cells: int
    unequal: int
    seconds: float
    cpu_seconds: float
    mebibytes: int


def filled(path: Path, charges: int) -> DuckDBSink:
    """A store of that many charges of October 2026."""
    import duckdb

    sink = DuckDBSink(path)
    sink.query("SELECT 1 FROM entries LIMIT 1")  # makes the tables
    with duckdb.connect(str(path)) as db:
        models = ", ".join(f"'{name}'" for name in _MODELS)
        db.execute("SET memory_limit = '1GB'; SET threads = 1")
        db.execute(_FILL.format(charges=charges, models=models, line=_LINE))
    return sink


def measured(sink: DuckDBSink, charges: int, key: str | None = None, off: int = 0) -> Measured:
    """Compare them with a bill that says the same, or so many tokens more in each cell; with a line for each value of a
    column if one is named."""
    billed: dict[Cell, Billed] = {}
    for one in ours(sink, selection_of_days(DAYS, timezone.utc), ("openai",), key):
        day, _ = day_and_edge(one.slot, timezone.utc)
        cell = Cell(
            day=day,
            kind="usage",
            model=one.model,
            token_type=one.leaf,
            key=one.key,
            tier="",
            currency="USD",
        )
        known = billed.get(cell, Billed(Fraction(0), 0, None, 1, True))
        billed[cell] = known._replace(
            quantity=(known.quantity or Fraction(0)) + one.quantity,
            amount=(known.amount or 0) + one.amount,
        )
    billed = {
        cell: one._replace(quantity=(one.quantity or Fraction(0)) + off)
        for cell, one in billed.items()
    }
    begin, cpu = time.perf_counter(), time.process_time()
    found = compare(sink, BOOK, billed, providers=("openai",), zone=timezone.utc, days=DAYS).cells
    seconds, spent = time.perf_counter() - begin, time.process_time() - cpu
    unequal = sum(one.split.cls != "equal" for one in found)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Measured(charges, len(found), unequal, round(seconds, 1), round(spent, 1), most)


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    with tempfile.TemporaryDirectory() as folder:
        by = sys.argv[2] if len(sys.argv) > 2 else None
        store = filled(Path(folder) / "charges.duckdb", many)
        for tokens in (0, 1):
            print(measured(store, many, by, tokens))
