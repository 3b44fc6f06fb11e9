"""A ledger of the format before, as a version that wrote it recorded it, and what it said itself of what it held."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.ledger.charge import explain
from otel_genai_cost.ledger.entry import entry_of
from otel_genai_cost.ledger.storage.store import Ledger

_RECORDED = Path(__file__).parent.parent / "recorded" / "format-1.tar.xz"

_KILLED = """
import os, signal, sys
from pathlib import Path
from otel_genai_cost.ledger.storage import migration, opening, store

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function, calls):
    left = [calls]
    def counted(*arguments):
        left[0] -= 1
        return function(*arguments) if left[0] else kill()
    return counted

path, place, calls = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if place == "compact":
    opening.compact = kill
else:
    setattr(migration, place, after(getattr(migration, place), calls))
store.Ledger(path).close()
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The recorded ledger."""
    with tarfile.open(_RECORDED) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "ledger.sqlite"


def _said(old: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((old.parent / "said.json").read_bytes())
    return found


def test_migrated_ledger_says_what_the_old_one_said(old: Path) -> None:
    said = _said(old)
    with closing(Ledger(old)) as ledger:
        assert ledger.id == said["id"]
        assert list(ledger.entries) == [entry_of(record) for record in said["entries"]]
        for n, record, charge_id, rule, ignored, ingested_us in said["observations"]:
            (found,) = ledger.observations.numbered([n])
            one = from_record(record)
            assert found == (n, one, ingested_us, charge_id, rule, ignored)
            assert found in ledger.observations.find(one.id)
            assert found in ledger.observations.find(one.span_id)
        for charge_id in ledger.entries.charge_ids():
            (explanation,) = explain(ledger, charge_id)
            assert explanation.charge is not None
        assert ledger.observations.unlinked()
        assert ledger.damage() is None
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert not db.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'old%'").fetchall()


def test_migrated_ledger_knows_the_copies_that_it_has(old: Path) -> None:
    records = [to_record(from_record(record)) for _, record, *_ in _said(old)["observations"]]
    with closing(Ledger(old)) as ledger, ledger.transaction():
        assert ledger.ingest(records, 0, 0) == 0


def test_reader_of_an_old_ledger_is_told_what_brings_it_up_to_date(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(LedgerError, match=r"has format 1.*run `genai-cost ship`"):
        Ledger(old, readonly=True)
    assert old.read_bytes() == before


@pytest.mark.parametrize(
    ("place", "calls"),
    [("_packed", 1), ("_packed", 40), ("_entry", 20), ("_compare_counts", 2), ("compact", 1)],
)
def test_kill_leaves_the_old_ledger_or_the_new_one(old: Path, place: str, calls: int) -> None:
    program = [sys.executable, "-c", _KILLED, str(old), place, str(calls)]
    assert subprocess.run(program, check=False, capture_output=True).returncode == -signal.SIGKILL
    is_new = place == "compact"
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == (
            "2" if is_new else "1",
        )
    test_migrated_ledger_says_what_the_old_one_said(old) if not is_new else None
    with closing(Ledger(old)) as ledger:
        assert list(ledger.entries) == [entry_of(record) for record in _said(old)["entries"]]


@pytest.mark.parametrize("table", ["observation", "entry"])
def test_damaged_row_leaves_the_ledger_as_it_was(old: Path, table: str) -> None:
    with closing(sqlite3.connect(old)) as db:
        db.execute(f"UPDATE {table} SET body = substr(body, 1, 9) WHERE rowid = 5")
        db.commit()
        before = list(db.iterdump())
    with pytest.raises(LedgerError, match=f"row 5 of the table {table} .* is damaged"):
        Ledger(old)
    with closing(sqlite3.connect(old)) as db:
        assert list(db.iterdump()) == before
