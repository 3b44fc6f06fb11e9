"""What is forgotten, what stays, and what a crash in between leaves."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.charge import explain
from otel_genai_cost.ledger.posting.run import (
    EVIDENCE_US,
    RESPONSES_US,
    prune_evidence,
    settle_waiting,
    unlink,
)
from otel_genai_cost.ledger.storage.candidates import PARTS
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Cost
from tests.ledger.build import START_US, observe

_HOUR_US = 3_600_000_000
_KILLED = """
import os, signal, sys
from pathlib import Path
from otel_genai_cost.ledger.posting.run import prune_evidence
from otel_genai_cost.ledger.storage import candidates
from otel_genai_cost.ledger.storage.store import Ledger

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

place = sys.argv[2]
found = candidates.Candidates._last_before
calls = iter(range(9))
if place == "within":
    candidates.Candidates._last_before = lambda self, us: kill() if next(calls) else found(self, us)
ledger = Ledger(Path(sys.argv[1]))
if place == "giving back":
    ledger._db.set_trace_callback(lambda text: kill() if "incremental" in text else None)
prune_evidence(ledger, int(sys.argv[3]))
ledger.shrink()
kill()
"""


def _no_other_book(one: Observation, digest: str) -> Cost | None:
    return None


def _filled(path: Path, count: int = 600) -> Ledger:
    """Calls seen by a client and a framework above it, ingested when they ended."""
    ledger = Ledger(path)
    calls = [
        one
        for n in range(1, count)
        for one in (
            observe(2 * n, trace=n, above=(2 * n + 1,), response_id=f"r{n}"),
            observe(2 * n + 1, trace=n, end_s=2, scope="framework"),
        )
    ]
    with ledger.transaction():
        ledger.ingest([to_record(one) for one in calls], START_US, 0)
        while settle_waiting(ledger, 1 << 62, START_US, _no_other_book).waiting:
            pass
    return ledger


def _rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as db:
        names = ("observation", "entry", "text", "evidence", "response_evidence")
        return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def test_only_evidence_is_forgotten_each_after_its_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = _filled(path)
    before = _rows(path)
    assert prune_evidence(ledger, START_US + EVIDENCE_US) == 0
    assert _rows(path) == before
    assert prune_evidence(ledger, START_US + EVIDENCE_US + _HOUR_US) == before["evidence"]
    assert _rows(path) == {**before, "evidence": 0}
    for hour in range(-PARTS, 1):
        prune_evidence(ledger, START_US + RESPONSES_US + hour * _HOUR_US)
    assert _rows(path)["response_evidence"] == before["response_evidence"]
    for hour in range(1, PARTS + 1):
        prune_evidence(ledger, START_US + RESPONSES_US + hour * _HOUR_US)
    assert _rows(path) == {**before, "evidence": 0, "response_evidence": 0}
    ledger.close()


def test_once_an_hour_is_enough_whoever_asks(tmp_path: Path) -> None:
    path, late_us = tmp_path / "ledger.sqlite", START_US + 2 * EVIDENCE_US
    _filled(path, 3).close()
    for minutes, is_looked in ((0, True), (59, False), (61, True)):
        with closing(Ledger(path)) as ledger:
            prune_evidence(ledger, late_us + minutes * 60_000_000)
            assert (ledger.candidates.forgotten_before_us() > 0) or not is_looked
            ledger.note("forgotten", "0 0")
            assert ledger.candidates.forgotten_before_us() == 0


@pytest.mark.parametrize("hours", [24, 5, 24 * 9])
def test_who_ships_seldom_forgets_each_response_too(tmp_path: Path, hours: int) -> None:
    """Once a day, and always in the same hour, for example."""
    path, old_us = tmp_path / "ledger.sqlite", START_US + RESPONSES_US
    with closing(_filled(path)) as ledger:
        prune_evidence(ledger, old_us - _HOUR_US)
        assert _rows(path)["response_evidence"] > PARTS
        for run in range(1, 24 // hours + 2):
            prune_evidence(ledger, old_us + run * hours * _HOUR_US)
    assert _rows(path)["response_evidence"] == 0


def test_a_clock_that_was_put_back_is_no_reason_to_forget_less(tmp_path: Path) -> None:
    path, late_us = tmp_path / "ledger.sqlite", START_US + 2 * RESPONSES_US
    with closing(_filled(path)) as ledger:
        ledger.note("evidence_pruned", str(late_us + 48 * _HOUR_US))
        for hour in range(PARTS):
            prune_evidence(ledger, late_us + hour * _HOUR_US)
    assert _rows(path)["response_evidence"] == 0


def test_free_pages_are_given_back_but_for_a_fifth(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(_filled(path, 4_000)) as ledger:
        with ledger.transaction():
            ledger.candidates.prune(1 << 62, 1 << 62)
            ledger._db.execute("DELETE FROM entry")
        assert ledger.shrink(lambda: True) == 0
        assert ledger.shrink() > 0
        free, pages = (
            ledger._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("freelist_count", "page_count")
        )
        assert pages // 5 - 1 <= free <= pages // 5 + pages // 25 + 1
        assert ledger.shrink() == 0
        assert ledger._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_charge_without_evidence_is_explained_and_unlinked(tmp_path: Path) -> None:
    with closing(_filled(tmp_path / "ledger.sqlite", 3)) as ledger:
        with ledger.transaction():
            ledger.candidates.prune(1 << 62, 1 << 62)
        wrapper = observe(3, trace=1, end_s=2, scope="framework")
        (found,) = explain(ledger, wrapper.id)
        assert found.charge is not None
        assert [len(found.members), len(found.entries)] == [2, 1]
        with ledger.transaction():
            entries = unlink(ledger, wrapper.id, START_US, _no_other_book)
        assert [entry.calls for entry in entries] == [1]
        assert sum(entry.calls for entry in ledger.entries) == 3


@pytest.mark.parametrize("place", ["within", "giving back", "after"])
def test_kill_leaves_the_money_as_it_was(tmp_path: Path, place: str) -> None:
    path, late_us = tmp_path / "ledger.sqlite", START_US + 2 * RESPONSES_US
    with closing(_filled(path)) as ledger:
        entries = list(ledger.entries)
    before = _rows(path)
    program = [sys.executable, "-c", _KILLED, str(path), place, str(late_us)]
    assert subprocess.run(program, check=False, capture_output=True).returncode == -signal.SIGKILL
    after = _rows(path)
    assert after["evidence"] == (before["evidence"] if place == "within" else 0)
    assert {name: after[name] for name in ("observation", "entry")} == {
        name: before[name] for name in ("observation", "entry")
    }
    with closing(Ledger(path)) as ledger:
        assert list(ledger.entries) == entries
        assert ledger.damage() is None
        assert (ledger.candidates.forgotten_before_us() > 0) == (place != "within")
