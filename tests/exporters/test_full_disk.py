"""A disk that is full, for each sink that keeps files: one line says so, nothing is lost, and nothing is doubled when
there is room again."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.day_sums import Verifiable, compared, day_sums
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Sink
from otel_genai_exporters.duckdb import DuckDBSink
from otel_genai_exporters.hourly.sink import ParquetSink
from otel_genai_exporters.lakehouse.delta import DeltaSink
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from tests.exporters.entries import entries, with_amount

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts a disk that is small"
)

_SINKS: Final[dict[str, Callable[[Path], Sink]]] = {
    "duckdb": lambda folder: DuckDBSink(folder / "charges.duckdb"),
    "parquet": lambda folder: ParquetSink(folder / "state", str(folder / "files")),
    "iceberg": lambda folder: IcebergSink(folder / "iceberg"),
    "delta": lambda folder: DeltaSink(folder / "delta"),
}
_NEEDED: Final = {"iceberg": "pyiceberg", "delta": "deltalake"}
_PAGE: Final = 4_096
_LEFT: Final = (0, 1, 2, 4, 6, 8, 16, 32, 64)
"""Pages that are left, so that every step of a batch finds the disk full once."""

_AT_ONCE: Final = 40


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A disk of 4 MB."""
    found = tmp_path / "disk"
    found.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(found)], check=True)
    try:
        yield found
    finally:
        subprocess.run(["umount", "-l", str(found)], check=True)


@pytest.fixture(params=_SINKS)
def opened(request: pytest.FixtureRequest, disk: Path) -> Callable[[], Sink]:
    """The sink on that disk, as each process opens it anew."""
    if (needed := _NEEDED.get(request.param)) and find_spec(needed) is None:
        pytest.skip(f"{needed} has an environment: tests/environments/test_lakehouse.py")
    return lambda: _SINKS[request.param](disk)


def _fill(disk: Path, pages: int) -> Path:
    """A file that leaves so many pages."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail - pages
    filler.write_bytes(bytes(max(0, free) * _PAGE))
    return filler


def _assert_holds(sink: Sink, every: list[Entry], upto: int) -> None:
    assert isinstance(sink, Verifiable)
    assert sink.mark() == Mark("ledger-1", upto)
    assert all(day.is_equal for day in compared(sink.days(len(every)), day_sums(every, upto)))


def test_what_finds_no_room_comes_later_and_once(opened: Callable[[], Sink], disk: Path) -> None:
    every = [with_amount(one, 10**15 + one.seq) for one in entries(_AT_ONCE * (len(_LEFT) + 1))]
    opened().append("ledger-1", every[:_AT_ONCE])
    refused = 0
    for turn, pages in enumerate(_LEFT, 1):
        known, upto = _AT_ONCE * turn, _AT_ONCE * (turn + 1)
        filler, sink = _fill(disk, pages), opened()
        try:
            sink.append("ledger-1", every[known:upto])
        except (GenAICostError, OSError) as error:
            refused += 1
            assert re.search("no space|disk is full", str(error), re.IGNORECASE), error
            assert "\n" not in str(error), error
            mark = sink.mark()
            assert mark is not None
            assert mark.seq in (known, upto)
            _assert_holds(opened(), every, mark.seq)
        filler.unlink()
        sink.append("ledger-1", every[:upto])
        _assert_holds(sink, every, upto)
        _assert_holds(opened(), every, upto)
    assert refused >= 2
