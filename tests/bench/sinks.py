"""How fast each store takes entries, and what a charge takes in it. A further store is a line in STORES.

Processor time of the process that feeds, the store's own engine included where that is in the same process, beside what
writing the same entries down as JSON Lines takes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Sink
from otel_genai_exporters.duckdb import DuckDBSink
from otel_genai_exporters.entry_columns import values_of
from otel_genai_exporters.hourly.sink import ParquetSink
from otel_genai_exporters.lakehouse.delta import DeltaSink
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from tests.bench.measure import Result, of_aim
from tests.exporters.entries import entries

__all__ = ["STORES", "Store", "bench_entries", "bytes_in", "sinks"]

_ENTRIES: Final = 60_000
_AT_ONCE: Final = 20_000
_HOURS: Final = 6
_HOUR_US: Final = 3_600_000_000


class Store(NamedTuple):
    """A store that is measured.

    Attributes:
        opened: the sink, with a folder for what it keeps.
        bytes_of: what the store takes, of that folder and the sink.
        times: how many times the time of writing lines down we should like it to take at most.
        charge_bytes: what we should like a charge to take at most.
    """

    opened: Callable[[Path], Sink]
    bytes_of: Callable[[Path, Sink], int]
    times: float
    charge_bytes: int


def bytes_in(folder: Path, sink: Sink) -> int:
    """Of every file in a folder, whatever the sink."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


STORES: Final[dict[str, Store]] = {
    "DuckDB": Store(lambda folder: DuckDBSink(folder / "charges.duckdb"), bytes_in, 4, 200),
    "Parquet": Store(lambda folder: ParquetSink(folder, str(folder)), bytes_in, 4, 100),
}
if find_spec("pyiceberg") and find_spec("deltalake"):  # 400 MB: only where they are installed
    STORES["Iceberg"] = Store(lambda folder: IcebergSink(folder / "table"), bytes_in, 4, 100)
    STORES["Delta"] = Store(lambda folder: DeltaSink(folder / "table"), bytes_in, 4, 100)


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


def sinks() -> Iterator[Result]:
    """Two rows for each store."""
    given = bench_entries(_ENTRIES)
    lines = sorted(_written_down(given) for _ in range(3))
    noise = lines[-1] / lines[0] - 1
    for name, store in STORES.items():
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            sink = store.opened(home)
            took_s = _fed(sink, given)
            charge_bytes = store.bytes_of(home, sink) / _ENTRIES
            sink.close()
        yield _speed(name, store, took_s, lines[1], noise)
        of = f"{name}, a charge"
        yield of_aim(of, charge_bytes, store.charge_bytes, "B", "<= 1.00", 0.0)


def _speed(name: str, store: Store, took_s: float, lines_s: float, noise: float) -> Result:
    return Result(
        name=f"{name}, entries a second",
        ours=_ENTRIES / took_s,
        theirs=_ENTRIES / lines_s,
        peer="the same as JSON Lines",
        unit="1/s",
        ratio=took_s / lines_s,
        goal=f"<= {store.times:.2f}",
        machine_noise=noise,
        is_bound=False,
    )


def _fed(sink: Sink, given: Sequence[Entry]) -> float:
    began_s = time.process_time()
    for start in range(0, len(given), _AT_ONCE):
        sink.append("ledger", given[start : start + _AT_ONCE])
    return time.process_time() - began_s


def _written_down(given: Sequence[Entry]) -> float:
    began_s = time.process_time()
    with tempfile.TemporaryFile() as file:
        for entry in given:
            file.write(encode_lossy(values_of(entry)) + b"\n")
    return time.process_time() - began_s
