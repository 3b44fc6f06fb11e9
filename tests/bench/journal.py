"""A call written down: against SQLite's own journal and a plain write of the same bytes; and how long all of it takes
to be read and verified again. The long form has 1 GB of it: `python -m tests.bench.journal 1000`."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from otel_genai_cost.journal.segment import Journal
from tests.bench.measure import Result, alternate, of_aim, of_budget, relative
from tests.kubernetes.measure import line

_CALLS: Final = 200
_SHORT_MB: Final = 64
_PER_MB_S: Final = 0.1
"""Seconds of a processor that a megabyte may take to be read: 100 for 1 GB."""

_READ: Final = """
import json, resource, sys, time
from pathlib import Path
from otel_genai_cost.journal.reader import read, segments

begun_s, records, damaged, size = time.process_time(), 0, 0, 0
for segment in segments(Path(sys.argv[1])):
    offset, at_end = 0, False
    while not at_end:
        batch = read(segment, offset, finished=True)
        offset, at_end = batch.offset, batch.at_end
        records, damaged = records + len(batch.records), damaged + len(batch.damage)
    size += offset
took_s = time.process_time() - begun_s
print(json.dumps([records, damaged, size / 1e6, took_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def journal() -> Iterator[Result]:
    """Writing, then reading 64 MB."""
    with TemporaryDirectory() as name:
        yield from _writing(Path(name))
    yield from recovery(_SHORT_MB)


def _writing(folder: Path) -> Iterator[Result]:
    ours = Journal([folder / "journal"])
    record = line(1)
    ours.append(record)
    (segment,) = (folder / "journal").glob("*.jsonl")
    written = segment.read_bytes().splitlines(keepends=True)[-1]
    with closing(sqlite3.connect(folder / "wal.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("CREATE TABLE calls (line BLOB)")
        insert = "INSERT INTO calls VALUES (?)"
        pair = alternate(
            lambda: ours.append(record), lambda: db.execute(insert, (written,)), calls=_CALLS
        )
        yield relative("append, a call", pair, "SQLite, WAL, synchronous=NORMAL", "<= 1.00")
    descriptor = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    pair = alternate(
        lambda: ours.append(record), lambda: os.write(descriptor, written), calls=_CALLS
    )
    os.close(descriptor)
    ours.close()
    yield relative("append, a call", pair, "os.write of the same bytes", "<= 10.00")


def recovery(megabytes: int) -> Iterator[Result]:
    """A journal of so much, read by another process.

    Args:
        megabytes: how much.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        _fill(folder, megabytes)
        command = [sys.executable, "-c", _READ, str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    records, damaged, size, took_s, memory_mb = json.loads(done.stdout)
    assert records > 1_000 and not damaged, done.stdout
    what = f"{size:,.0f} MB of journal, read and verified"
    yield of_aim(f"{what}, MB/s", size / took_s, 1 / _PER_MB_S, "MB/s", ">= 1.00", 0.0)
    yield of_budget(f"{what}, memory", memory_mb, 200, "MB", "<= 1.00", 0.0)


def _fill(folder: Path, megabytes: int) -> None:
    """One segment of 16 MB, and as many again as it takes, each under a name of its own."""
    made = Journal([folder / "made"])
    made.append(line(0))
    (segment,) = (folder / "made").glob("*.jsonl")
    while segment.stat().st_size < 16e6:
        for number in range(1_000):
            made.append(line(number))
    made.close()
    stamp, _, _ = segment.stem.partition("-")
    for number in range(round(megabytes / 16)):
        shutil.copy(segment, folder / f"{stamp}-{number:016x}.jsonl")
    shutil.rmtree(folder / "made")


if __name__ == "__main__":
    for result in recovery(int(sys.argv[1])):
        print(f"{result.name:50} {result.ours:10.1f} {result.unit}")
