"""How fast each store takes entries, and what a charge takes in it. A further store is a line in STORES or HEAVY.

Seconds are those of the processor, of the process that feeds and of the store's own engine, wherever that runs, beside
what writing the same entries down as JSON Lines takes. Servers are started for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import pytest

from tests.bench.fed_program import TOPIC
from tests.bench.measure import Result, of_aim
from tests.demo.processes import ROOT
from tests.exporters.embedded_clickhouse import python_with_clickhouse
from tests.exporters.postgresql_server import server
from tests.lakehouse.environment import python_with_lakehouse
from tests.queues.brokers import Brokers
from tests.streams.pulsar_server import pulsar

__all__ = ["HEAVY", "STORES", "Server", "Store", "heavy_sinks", "sinks"]

_ENTRIES: Final = 60_000


class Server(NamedTuple):
    """A server that is up.

    Attributes:
        address: where.
        stored: the bytes that entries take in it, once they are there.
    """

    address: str
    stored: Callable[[], int]


class Store(NamedTuple):
    """A store that is measured.

    Attributes:
        kind: of the sink.
        times: how many times the time of writing lines down we should like it to take at most.
        charge_bytes: what we should like a charge to take at most.
        server: starts the one that it needs, given a folder for its files.
        python: the interpreter that has what it needs.
    """

    kind: str
    times: float
    charge_bytes: int
    server: Callable[[Path], AbstractContextManager[Server]] | None = None
    python: Callable[[], Path] = lambda: Path(sys.executable)


# --- servers ---


@contextmanager
def _postgresql(folder: Path) -> Generator[Server]:
    def stored() -> int:
        with psycopg.connect(run.address) as db:
            row = db.execute("SELECT pg_total_relation_size('entries')").fetchone()
        assert row
        return int(row[0])

    with server(folder) as run:
        yield Server(run.address, stored)


@contextmanager
def _kafka(folder: Path) -> Generator[Server]:
    """What it keeps beside the messages, such as indexes of a size that is reserved, is not counted."""

    def stored() -> int:
        return sum(one.stat().st_size for one in folder.glob(f"kafka/kafka/{TOPIC}*/*.log"))

    with ExitStack() as stack:
        yield Server(Brokers(folder, stack).address("kafka", folder), stored)


@contextmanager
def _pulsar(folder: Path) -> Generator[Server]:
    def stored() -> int:
        stats = f"{run.admin_url}/admin/v2/persistent/public/default/{TOPIC}/stats"
        with urllib.request.urlopen(stats, timeout=30) as answer:
            return int(json.load(answer)["storageSize"])

    with pulsar(folder) as run:
        yield Server(run.url, stored)


STORES: Final[Mapping[str, Store]] = {
    "DuckDB": Store("duckdb", 4, 200),
    "Parquet": Store("parquet", 4, 100),
    "PostgreSQL": Store("postgresql", 4, 1_000, _postgresql),
    "Kafka": Store("kafka", 8, 200, _kafka),
}
HEAVY: Final[Mapping[str, Store]] = {
    "Iceberg": Store("iceberg", 4, 100, python=python_with_lakehouse),
    "Delta": Store("delta", 4, 100, python=python_with_lakehouse),
    "ClickHouse": Store("clickhouse", 4, 100, python=python_with_clickhouse),
    "Pulsar": Store("pulsar", 8, 200, _pulsar),
}
"""Those whose libraries or servers take hundreds of megabytes, in environments of their own."""


def sinks() -> Iterator[Result]:
    """Two rows for each store."""
    for name, store in STORES.items():
        yield from _rows(name, store)


def heavy_sinks() -> Iterator[Result]:
    """Two rows for each store of an environment of its own."""
    for name, store in HEAVY.items():
        yield from _rows(name, store)


def _rows(name: str, store: Store) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        run: Server | None = None
        if store.server:
            try:
                run = stack.enter_context(store.server(Path(folder)))
            except (AssertionError, OSError, pytest.skip.Exception) as missing:
                print(f"- {name}: not measured: {missing}", flush=True)
                return
        found = _fed(store, Path(folder) / "fed", run)
    lines = found["lines_s"]
    yield Result(
        name=f"{name}, entries a second",
        ours=_ENTRIES / found["feeding_s"],
        theirs=_ENTRIES / lines[1],
        peer="the same as JSON Lines",
        unit="1/s",
        ratio=found["feeding_s"] / lines[1],
        goal=f"<= {store.times:.2f}",
        machine_noise=lines[-1] / lines[0] - 1,
        is_bound=False,
    )
    charge_bytes = found["bytes"] / _ENTRIES
    yield of_aim(f"{name}, a charge", charge_bytes, store.charge_bytes, "B", "<= 1.00", 0.0)


def _fed(store: Store, folder: Path, run: Server | None) -> dict[str, Any]:
    """What `fed_program` says, with the server's bytes where there is one."""
    folder.mkdir()
    command = [str(store.python()), "-m", "tests.bench.fed_program", store.kind, str(_ENTRIES)]
    done = subprocess.run(
        [*command, str(folder), run.address if run else ""],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "bytes": run.stored()} if run else found
