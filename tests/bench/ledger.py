"""The ledger's pace, and how fast a store of ten million entries answers."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.ledger.sink import Rows
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import report
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.leaves import partition
from otel_genai_cost.usage.read import Origin, Reading
from otel_genai_exporters.duckdb import DuckDBSink
from tests.bench.measure import Result, of_aim, of_budget

OBSERVATIONS: Final = 20_000
_ROWS: Final = 10_000_000
_START_US: Final = 1_795_000_000_000_000
_ROUNDS: Final = 11


def ledger() -> Iterator[Result]:
    """Observations ingested, settled and booked, a second of CPU time; every one a call of its own."""
    rates: list[float] = []
    for seed in range(3):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            fill(home / "journal", seed)
            started_s = time.process_time()
            done = ship(home, [home / "journal"], drain=True)
            rates.append(done.entries / (time.process_time() - started_s))
    yield of_aim(
        "observations settled and booked a second",
        statistics.median(rates),
        20_000,
        "1/s",
        ">= 1.00",
        max(rates) / min(rates) - 1,
    )


def fill(folder: Path, seed: int, count: int = OBSERVATIONS) -> None:
    """A journal of calls of fifty tenants, one observation each."""
    journal, book, draw = Journal([folder]), load_book(), random.Random(seed)
    for n in range(count):
        usage = partition(draw.randrange(20, 60_000), draw.randrange(1, 4_000), {})
        start_us = _START_US + n * 3_000
        trace_id, span_id = draw.getrandbits(128), draw.getrandbits(64)
        reading = Reading(
            role="response",
            operation="chat",
            provider="openai",
            model_requested="gpt-4o",
            model_returned="gpt-4o-2024-08-06",
            response_id=f"chatcmpl-{n}",
            usage=usage,
        )
        journal.append(
            to_record(
                Observation(
                    id=observation_id(trace_id, span_id, start_us),
                    trace_id=f"{trace_id:032x}",
                    span_id=f"{span_id:016x}",
                    ordinal=0,
                    path=(f"{draw.getrandbits(64):016x}",),
                    start_us=start_us,
                    end_us=start_us + draw.randrange(200_000, 9_000_000),
                    origin=Origin("bench", None, "host", None, f"process-{n % 16}"),
                    scope="otel_genai_instrumentors.openai",
                    scope_version="0.1.0",
                    dialect="semconv/1",
                    reading=reading,
                    cost=price(book, "openai", "gpt-4o-2024-08-06", usage, start_us, {}),
                    attribution=Attribution(f"tenant-{n % 50}", "edge", None),
                )
            )
        )
    journal.close()


def reports() -> Iterator[Result]:
    """Top ten tenants of the last quarter of an hour over ten million entries: warm, and as a fresh command."""
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDBSink(Path(folder) / "charges.duckdb")
        _fill_store(store)
        times_ms = sorted(_top_ten_ms(store) for _ in range(_ROUNDS))
        yield of_aim(
            f"top ten of {_ROWS // 1_000_000} million entries, warm",
            statistics.median(times_ms),
            10,
            "ms",
            "<= 1.00",
            times_ms[-2] / times_ms[1] - 1,
        )
        command_ms = sorted(_command_ms(store.path.parent) for _ in range(5))
        yield of_budget(
            "the same as a fresh command",
            statistics.median(command_ms),
            1_000,
            "ms",
            "<= 1.00",
            command_ms[-1] / command_ms[0] - 1,
        )


def _fill_store(store: DuckDBSink) -> None:
    """Entries over thirty days, in the order of time, as a ledger feeds them."""
    store.reset()
    with duckdb.connect(str(store.path)) as db:
        db.execute(
            "INSERT INTO entries BY NAME"
            " SELECT range AS seq, 't-' || (hash(range) % 3000) AS tenant, 'gpt-4o' AS model,"
            " to_timestamp(? - (? - range) * 0.26)::TIMESTAMP AS occurred, 1 AS calls, 0 AS unpriced,"
            " ((hash(range) % 10000) / 1000000)::DECIMAL(38,18) AS amount, 'USD' AS currency FROM range(?)",
            [time.time(), _ROWS, _ROWS],
        )


class _Warm:
    """An open connection that answers as a store does."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        found = self._db.execute(sql, list(parameters))
        return Rows(tuple(column[0] for column in found.description or ()), found.fetchall())


def _top_ten_ms(store: DuckDBSink) -> float:
    from_us = time.time_ns() // 1000 - 900_000_000
    with duckdb.connect(str(store.path), read_only=True) as db:
        warm = _Warm(db)
        report(warm, ["tenant"], Selection(from_us), by_cost=True)
        started_s = time.perf_counter()
        groups = report(warm, ["tenant"], Selection(from_us), by_cost=True)[:10]
        took_ms = (time.perf_counter() - started_s) * 1000
    assert len(groups) == 10
    return took_ms


def _command_ms(home: Path) -> float:
    program = str(Path(sys.executable).with_name("genai-cost"))
    started_s = time.perf_counter()
    subprocess.run(
        [program, "top", "--json", "--ledger", str(home)], check=True, capture_output=True
    )
    return (time.perf_counter() - started_s) * 1000
