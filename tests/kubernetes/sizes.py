"""What a call of the `openai` client's takes: in the journal, on the wire, in the ledger and in DuckDB's copy of it,
for the figures of docs/kubernetes.md: `python -m tests.kubernetes.sizes`."""

from __future__ import annotations

import argparse
import gzip
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from otel_genai_cost.forwarding.wire import Lines, request_body
from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.load import load_book
from tests.cli.command import PROGRAM
from tests.demo.stage import clean_environment
from tests.kubernetes.measure import line

_PACKED_TOGETHER: Final = (1, 20, 1_000)
"""Calls of a request: of one a second, of forty a second at a round twice a second, and after an outage."""


def main() -> None:
    """Measure, and print bytes a call."""
    asked = argparse.ArgumentParser(description="What a call takes, in bytes.")
    asked.add_argument("--calls", type=int, default=100_000, help="how many are made")
    calls = asked.parse_args().calls
    with TemporaryDirectory() as folder:
        home = Path(folder)
        journal = Journal([home / "journal"])
        for number in range(calls):
            journal.append(line(number))
        journal.close()
        book = load_book()
        store_book(home / "journal", book.digest, book.lock)
        segments = sorted((home / "journal").glob("*.jsonl"))
        _say("journal", sum(one.stat().st_size for one in segments), calls)
        rows = segments[0].read_bytes().splitlines(keepends=True)[1:]
        for count in _PACKED_TOGETHER:
            sent = request_body(
                [Lines("1795980339399926-8297558c91fa56d4", 0, b"".join(rows[:count]))]
            )
            _say(f"on the wire, {count} at once", len(gzip.compress(sent, 1)), count)
        _booked(home, calls)


def _booked(home: Path, calls: int) -> None:
    command = [PROGRAM, "ship", "--drain", "--ledger", str(home)]
    environment = {**clean_environment(), "HOME": str(home)}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    file, copy = home / LEDGER_FILE, home / "charges.duckdb"
    _say("ledger, with evidence", file.stat().st_size, calls)
    _say("DuckDB's copy", copy.stat().st_size if copy.exists() else 0, calls)
    with closing(Ledger(file)) as ledger:
        with ledger.transaction():
            ledger.candidates.prune(1 << 62, 1 << 62)
        ledger.shrink()
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _say("ledger, at rest", file.stat().st_size, calls)


def _say(what: str, size: int, calls: int) -> None:
    print(f"{what:<28} {size / calls:8.1f} bytes a call")


if __name__ == "__main__":
    main()
