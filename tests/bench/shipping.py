"""What a ledger of 300,000 calls takes: how fast it is filled, in how much memory, and how long a charge is at rest.

The commands run in processes of their own, as `genai-cost ship --drain` does; the time is that of their processors. How
fast it is, is told beside what it takes to insert the same lines in a table of SQLite and do nothing else.

    python -m tests.bench.shipping CALLS

says the same of another number of calls, such as ten million, of which a machine has to be at it for half an hour.
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
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from tests.bench.ledger import fill
from tests.bench.measure import Result, of_budget

_CALLS: Final = 300_000
_FEW: Final = 30_000
_BEFORE_TIMES: Final = 30.0
_BEFORE_MB: Final = 513
_BEFORE_BYTES: Final = 2_641
"""What format 1 came to with the same calls on the same machine: so many times a plain insert, in one run."""

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


_PLAIN_PROGRAM: Final = """
import json, sqlite3, sys, time
from itertools import islice
from pathlib import Path

home = Path(sys.argv[1])
started_s = time.process_time()
db = sqlite3.connect(home / "plain.sqlite", isolation_level=None)
db.executescript(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE record (id TEXT PRIMARY KEY, body BLOB)"
)
segments = sorted((home / "journal").glob("*.jsonl"))
lines = (line.partition(b" ")[2] for path in segments for line in path.open("rb"))
records = ((record["id"], line) for line in lines if "id" in (record := json.loads(line)))
count = 0
while batch := list(islice(records, 5_000)):
    db.execute("BEGIN")
    db.executemany("INSERT OR IGNORE INTO record VALUES (?,?)", batch)
    db.execute("COMMIT")
    count += len(batch)
print(json.dumps((time.process_time() - started_s) / count * 1e6))
"""


class _Run(NamedTuple):
    """Microseconds of CPU time a call, also of a plain insert of the same lines; the most memory (MB); and what the
    ledger's file takes for each call (bytes), before and after its evidence is pruned."""

    call_us: float
    plain_us: float
    memory_mb: float
    charge_bytes: float
    rest_bytes: float


def shipping() -> Iterator[Result]:
    """Filled, and as long as it is when no rule needs its evidence any more."""
    yield from _told(_run(_FEW), _run(_CALLS))


def _told(few: _Run, many: _Run) -> Iterator[Result]:
    noise = abs(few.plain_us / many.plain_us - 1)
    yield _beside_plain("ship --drain, a call", many, _BEFORE_TIMES / 3, noise, is_bound=False)
    yield _beside_plain("the same, as before", many, _BEFORE_TIMES, noise, is_bound=True)
    yield of_budget("ship --drain, memory", many.memory_mb, 200, "MB", "<= 1.00", 0.0)
    yield of_budget("the same, as before", many.memory_mb, _BEFORE_MB, "MB", "<= 1.00", 0.0)
    yield of_budget(
        "a settled charge with evidence", many.charge_bytes, _BEFORE_BYTES, "B", "<= 1.00", 0.0
    )
    yield of_budget("a settled charge at rest", many.rest_bytes, 1_000, "B", "<= 1.00", 0.0)


def _beside_plain(name: str, run: _Run, times: float, noise: float, *, is_bound: bool) -> Result:
    return Result(
        name,
        run.call_us,
        run.plain_us,
        "plain insert of the same lines",
        "us",
        run.call_us / run.plain_us,
        f"<= {times:.2f}",
        noise,
        is_bound,
    )


def _run(calls: int) -> _Run:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home / "journal", 0, calls)
        plain_us = _said(_PLAIN_PROGRAM, home)
        rate, memory_mb = _said(_PROGRAM, home)
        path = home / LEDGER_FILE
        charge_bytes = path.stat().st_size / calls
        with closing(Ledger(path)) as ledger:
            with ledger.transaction():
                ledger.candidates.prune(1 << 62, 1 << 62)
            ledger.shrink()
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return _Run(1e6 / rate, plain_us, memory_mb, charge_bytes, path.stat().st_size / calls)


def _said(program: str, home: Path) -> Any:
    """What a program prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(home)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    for result in _told(_run(_FEW), _run(int(sys.argv[1]))):
        print(
            f"{result.name:40} {result.ours:10.1f} {result.unit}   {result.ratio:.2f} {result.goal}"
        )
