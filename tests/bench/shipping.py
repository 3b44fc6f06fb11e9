"""What a ledger of 300,000 calls takes: how fast it is filled, in how much memory, and how long a charge is at rest.

The commands run in processes of their own, as `genai-cost ship --drain` does; the time is that of their processors.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from tests.bench.ledger import fill
from tests.bench.measure import Result, of_aim, of_budget

_CALLS: Final = 300_000
_FEW: Final = 30_000
_BEFORE_RATE: Final = 2_732
_BEFORE_MB: Final = 513
_BEFORE_BYTES: Final = 2_641
"""What format 1 came to with the same 300,000 calls on the same machine."""

_PROGRAM: Final = """
import json, resource, sys, time
from pathlib import Path
from otel_genai_cost.ledger.daemon import ship
from otel_genai_exporters.duckdb import DuckDBSink

home = Path(sys.argv[1])
started_s = time.process_time()
done = ship(home, [home / "journal"], sinks=[DuckDBSink(home / "charges.duckdb")], drain=True)
took_s = time.process_time() - started_s
print(json.dumps([done.entries / took_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


class _Run(NamedTuple):
    """Charges booked a second of CPU time, the most memory (MB), and what the ledger's file takes for each (bytes),
    before and after its evidence is pruned."""

    rate: float
    memory_mb: float
    charge_bytes: float
    rest_bytes: float


def shipping() -> Iterator[Result]:
    """Filled, and as long as it is when no rule needs its evidence any more."""
    few, many = _run(_FEW), _run(_CALLS)
    noise = abs(few.rate / many.rate - 1)
    yield of_aim(
        "ship --drain, calls a second", many.rate, 3 * _BEFORE_RATE, "1/s", ">= 1.00", noise
    )
    yield of_aim("the same, as before", many.rate, _BEFORE_RATE, "1/s", ">= 1.00", noise)
    yield of_budget("ship --drain, memory", many.memory_mb, 200, "MB", "<= 1.00", 0.0)
    yield of_budget("the same, as before", many.memory_mb, _BEFORE_MB, "MB", "<= 1.00", 0.0)
    yield of_budget(
        "a settled charge with evidence", many.charge_bytes, _BEFORE_BYTES, "B", "<= 1.00", 0.0
    )
    yield of_budget("a settled charge at rest", many.rest_bytes, 1_000, "B", "<= 1.00", 0.0)


def _run(calls: int) -> _Run:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home / "journal", 0, calls)
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(home)], check=True, capture_output=True, text=True
        )
        rate, memory_mb = json.loads(done.stdout)
        path = home / LEDGER_FILE
        charge_bytes = path.stat().st_size / calls
        with closing(Ledger(path)) as ledger:
            with ledger.transaction():
                ledger.candidates.prune(1 << 62, 1 << 62)
            ledger.shrink()
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return _Run(rate, memory_mb, charge_bytes, path.stat().st_size / calls)
