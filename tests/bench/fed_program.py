"""Entries a second that a sink takes, and bytes that each takes in its store.

    python -m tests.bench.fed_program STORE ENTRIES FOLDER MORE

STORE is `duckdb`, `postgresql` (MORE is its address) or `clickhouse`, by a Python that has its engine. Entries are real
ones, with their receipt, in batches as the shipper gives them. It prints a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from otel_genai_cost.ledger.sink import Bulk, Sink, load_sink
from tests.exporters.entries import entries


def main(store: str, count: int, folder: str, more: str) -> None:
    sink = _opened(store, Path(folder), more)
    every = entries(count)
    sink.append("ledger-1", every[:1])  # it makes its tables
    at_once = sink.entries_at_once if isinstance(sink, Bulk) else 5_000
    began = time.perf_counter()
    for place in range(1, count, at_once):
        if isinstance(sink, Bulk):
            sink.load("ledger-1", every[place : place + at_once])
        else:
            sink.append("ledger-1", every[place : place + at_once])
    seconds = time.perf_counter() - began
    found = {
        "entries": count,
        "entries/s": (count - 1) / seconds,
        "bytes": _bytes(sink, folder) / count,
    }
    print(json.dumps(found))
    sink.close()


def _opened(store: str, folder: Path, more: str) -> Sink:
    if store == "duckdb":
        return load_sink("duckdb", path=folder / "charges.duckdb")
    given = {"address": more} if store == "postgresql" else _embedded(folder)
    return load_sink(store, path=folder / "aside", **given)


def _embedded(folder: Path) -> dict[str, str]:
    return {"address": f"chdb://{folder / 'clickhouse'}", "database": "bench"}


def _bytes(sink: Any, folder: str) -> int:
    if (path := Path(folder) / "charges.duckdb").exists():
        return path.stat().st_size
    if hasattr(sink, "_to"):
        sink._to.command("OPTIMIZE TABLE {database}.entries FINAL")
        words = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = {{database:String}}"
        ((size,),) = sink._to.rows(words)
        return int(size)
    with sink._transaction() as db:
        row = db.execute("SELECT pg_total_relation_size('entries')").fetchone()
    return int(row[0])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
