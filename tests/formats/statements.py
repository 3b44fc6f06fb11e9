"""A file of statements as this version writes it, of entries that are always the same."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.statements.store import FORMAT, STATEMENTS_FILE
from tests.statements.ledgers import book, entry, line
from tests.statements.runs import run

__all__ = ["ENTRIES", "LATE", "record_statements"]

_AT: Final = "2026-10-05T00:00:00Z"
ENTRIES: Final[tuple[Entry, ...]] = (
    entry(1, "acme", _AT, "1.234567890123456789", labels={"feature": "chat"}),
    entry(
        2,
        "acme",
        _AT,
        lines=(line("input", 9, "1"), line("input", 9, "0.9", "price")),
        billed_in="EUR",
    ),
    entry(3, "bolt", _AT, lines=(), unpriced=1, reason="unknown_model"),
    entry(4, None, _AT, absent="system"),
)
"""Two currencies, a call without a price, and one of the platform's own."""

LATE: Final = entry(5, "acme", _AT, "0.5")
"""What makes a revision."""


def record_statements(folder: Path) -> None:
    """Write a file of statements, of which one was revised, and the digests of all.

    Args:
        folder: a new folder for it.
    """
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        book(home, ENTRIES)
        run(home, accept=frozenset({"unpriced"}))
        book(home, [LATE])
        stated = run(home, accept=frozenset({"unpriced"})).stated
        with closing(sqlite3.connect(home / STATEMENTS_FILE, isolation_level=None)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        packed = gzip.compress((home / STATEMENTS_FILE).read_bytes(), mtime=0)
    (folder / f"{STATEMENTS_FILE}.gz").write_bytes(packed)
    told = {"format": FORMAT, "digests": sorted(one.digest for one in stated)}
    (folder / "statements.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
