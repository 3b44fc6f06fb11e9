"""How fast a store says which ten tenants spent most in the last 15 minutes.

    python -m tests.bench.top_tenants ROWS clickhouse[:KEYS] postgresql duckdb

It fills a store with so many rows by its own statements and asks it; ClickHouse with one sort key or with KEYS. Each
store stands in a folder that is deleted afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.demo.processes import ROOT
from tests.exporters.embedded_clickhouse import python_with_clickhouse
from tests.exporters.postgresql_server import server

__all__ = ["main"]


def main(rows: str, stores: list[str]) -> None:
    """Print a line of JSON for each store.

    Args:
        rows: how many.
        stores: which.
    """
    for each in stores:
        store, _, keys = each.partition(":")
        with _folder(store) as (folder, address):
            more = address or keys or "1"
            print(store, _run(store, rows, folder, more), flush=True)


def _run(store: str, rows: str, folder: str, more: str) -> str:
    python = str(python_with_clickhouse()) if store == "clickhouse" else sys.executable
    command = [python, "-m", "tests.bench.top_tenants_program", store, rows, folder, more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


@contextmanager
def _folder(store: str) -> Generator[tuple[str, str]]:
    """A folder, and the address of a server where the store is one."""
    with tempfile.TemporaryDirectory() as folder:
        if store != "postgresql":
            yield folder, ""
            return
        with server(Path(folder)) as run:
            yield folder, run.address


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
