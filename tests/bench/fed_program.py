"""Feeds one store, and says what that took and what the store takes.

    python -m tests.bench.fed_program KIND ENTRIES FOLDER ADDRESS

KIND is a sink's, FOLDER is empty, ADDRESS is that of its server, or "". It prints a line of JSON: seconds of the
processor, by this process and whatever else its parent started; those of writing the same entries down as JSON Lines,
three times; and bytes, which are none of our files where a server has them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import psutil

from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Bulk, Sink, load_sink
from otel_genai_exporters.entry_columns import values_of
from tests.exporters.entries import entries

__all__ = ["TOPIC", "bench_entries"]

TOPIC: Final = "entries"
_HOURS: Final = 6
_HOUR_US: Final = 3_600_000_000
_AT_ONCE: Final = 5_000
"""As the shipper gives them to a sink that does not say how many it wants."""

_Options = Callable[[Path, str], Mapping[str, Any]]
_OPTIONS: Final[Mapping[str, _Options]] = {
    "duckdb": lambda folder, _: {"path": folder / "charges.duckdb"},
    "parquet": lambda folder, _: {"path": folder, "to": str(folder)},
    "clickhouse": lambda folder, _: {
        "path": folder / "aside",
        "address": f"chdb://{folder / 'clickhouse'}",
        "database": "bench",
    },
    "postgresql": lambda folder, address: {"path": folder / "aside", "address": address},
    "kafka": lambda folder, address: {
        "path": folder / "aside",
        "servers": address,
        "topic": TOPIC,
    },
    "pulsar": lambda folder, address: {"path": folder / "aside", "url": address, "topic": TOPIC},
    "iceberg": lambda folder, _: {"path": folder / "table"},
    "delta": lambda folder, _: {"path": folder / "table"},
}


def main(kind: str, count: int, folder: Path, address: str) -> None:
    """Feed it, and print what was found.

    Args:
        kind: the sink's.
        count: of entries.
        folder: for what the sink keeps.
        address: its server's.
    """
    given = bench_entries(count)
    sink = load_sink(kind, **_OPTIONS[kind](folder, address))
    began_s = _spent_s()
    _feed(sink, given)
    found = {
        "feeding_s": _spent_s() - began_s,
        "lines_s": sorted(_written_down(given) for _ in range(3)),
        "bytes": _bytes(kind, sink, folder),
    }
    sink.close()
    print(json.dumps(found))


def bench_entries(count: int) -> list[Entry]:
    """Entries over some hours and many tenants, with ids as different as real ones.

    Args:
        count: how many.
    """
    patterns = entries(500)
    return [_varied(patterns[n % len(patterns)], n + 1, count) for n in range(count)]


def _varied(entry: Entry, seq: int, count: int) -> Entry:
    occurred_us = entry.occurred_us + seq * _HOURS * _HOUR_US // count
    attribution = entry.attribution._replace(tenant=f"tenant-{seq * 7919 % 300}")
    return entry._replace(
        seq=seq,
        id=blake2b(b"%d" % seq, digest_size=16).hexdigest(),
        charge_id=blake2b(b"charge %d" % seq, digest_size=16).hexdigest(),
        occurred_us=occurred_us,
        booked_us=occurred_us + 12_000_000,
        attribution=attribution,
    )


def _spent_s() -> float:
    """By all that our parent started and what that started, ended or not: ourselves, and a server if there is one."""
    processes: Any = vars(psutil)["Process"]  # it has no types
    found = 0.0
    for process in processes(os.getppid()).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found += times.user + times.system + times.children_user + times.children_system
    return found


def _feed(sink: Sink, given: Sequence[Entry]) -> None:
    at_once = sink.entries_at_once if isinstance(sink, Bulk) else _AT_ONCE
    for start in range(0, len(given), at_once):
        batch = given[start : start + at_once]
        if isinstance(sink, Bulk):
            sink.load("ledger", batch)
        else:
            sink.append("ledger", batch)


def _written_down(given: Sequence[Entry]) -> float:
    began_s = time.process_time()
    with tempfile.TemporaryFile() as file:
        for entry in given:
            file.write(encode_lossy(values_of(entry)) + b"\n")
    return time.process_time() - began_s


def _bytes(kind: str, sink: Any, folder: Path) -> int:
    """Of every file, but for ClickHouse, which keeps parts for a while after they were merged."""
    if kind != "clickhouse":
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    sink._to.command("OPTIMIZE TABLE {database}.entries FINAL")
    ((size,),) = sink._to.rows(
        "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = {{database:String}}"
    )
    return int(size)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
