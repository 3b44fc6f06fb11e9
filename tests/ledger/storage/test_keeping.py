"""Backups, what was retired, decisions that outlive a ledger, and advice that destroys nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from otel_genai_cost.errors import GenAICostError, LedgerError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship, writer_lock
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.backups import back_up
from otel_genai_cost.ledger.storage.keeping import last_backup, remedy, retired
from otel_genai_cost.ledger.storage.restoring import restore
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.testing.memory import MemorySink
from tests.cli.command import rows, run
from tests.ledger.build import observe


def _journal(home: Path, *observations: Observation) -> None:
    journal = Journal([home / "journal"])
    for one in observations:
        journal.append(to_record(one))
    journal.close()


def _calls(first: int, last: int) -> list[Observation]:
    return [observe(n, trace=n, start_s=9 * n, end_s=9 * n + 1) for n in range(first, last + 1)]


def _booked(home: Path) -> list[Entry]:
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    entries = list(ledger.entries)
    ledger.close()
    return entries


def _drop(home: Path) -> None:
    for path in home.glob("ledger.sqlite*"):
        path.unlink()


def _retire(home: Path) -> None:
    ship(home, [home / "journal"], drain=True, retire_segments=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ledger of five calls, whose segment was retired."""
    _journal(tmp_path, *_calls(1, 5))
    _retire(tmp_path)
    assert not list((tmp_path / "journal").glob("*.jsonl"))
    return tmp_path


def test_backup_brings_back_what_was_retired(home: Path, tmp_path: Path) -> None:
    sink = MemorySink()
    ship(home, [home / "journal"], sinks=[sink])
    saved = tmp_path / "saved.tar.gz"
    made = back_up(home, saved)
    assert saved.stat().st_mode & 0o777 == 0o600
    assert last_backup(home) == made
    before = _booked(home)
    _drop(home)
    with writer_lock(home):
        assert restore(home, saved, replace=False) == made
    assert _booked(home) == before
    _journal(home, *_calls(6, 7))
    ship(home, [home / "journal"], drain=True, sinks=[sink])
    assert sum(entry.calls for entry in _booked(home)) == 7
    assert [entry.seq for entry in sink.entries] == list(range(1, 8)), "filled anew"


def test_ledger_is_not_rebuilt_without_what_was_retired(home: Path) -> None:
    _drop(home)
    _journal(home, *_calls(6, 7))
    with pytest.raises(LedgerError, match="ledger restore FILE"):
        ship(home, [home / "journal"], drain=True)
    assert not (home / LEDGER_FILE).exists()
    (home / "retired.json").unlink()
    ship(home, [home / "journal"], drain=True)
    assert sum(entry.calls for entry in _booked(home)) == 2


def test_mark_of_what_was_retired_that_is_damaged_still_holds(home: Path) -> None:
    (home / "retired.json").write_bytes(b"\0")
    assert retired(home) == 1


def test_backup_of_a_ledger_that_is_being_written(tmp_path: Path) -> None:
    _journal(tmp_path, *_calls(1, 400))
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    _journal(tmp_path, *_calls(401, 2_000))
    code = (
        "import sys; from pathlib import Path; from otel_genai_cost.ledger.daemon import ship\n"
        "home = Path(sys.argv[1]); ship(home, [home / 'journal'], drain=True)"
    )
    shipper = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=Path.cwd())
    other, n = tmp_path / "other", 0
    other.mkdir()
    while shipper.poll() is None or n == 0:
        made = back_up(tmp_path, tmp_path / "saved")
        with writer_lock(other):
            restore(other, tmp_path / "saved", replace=True)
        seqs = [entry.seq for entry in _booked(other)]
        assert seqs == list(range(1, made.seq + 1))
        n += 1
    assert shipper.wait() == 0


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"no archive"),
        lambda path: path.write_bytes(path.read_bytes()[:-2_000]),
        lambda path: path.write_bytes(b""),
    ],
)
def test_damaged_backup_puts_nothing_back(home: Path, tmp_path: Path, harm: object) -> None:
    saved = tmp_path / "saved"
    back_up(home, saved)
    harm(saved)  # type: ignore[operator]
    before = (home / LEDGER_FILE).read_bytes()
    with writer_lock(home), pytest.raises(LedgerError, match="is no backup"):
        restore(home, saved, replace=True)
    assert (home / LEDGER_FILE).read_bytes() == before


def test_backup_that_reaches_out_of_its_folder_is_refused(home: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    with tarfile.open(saved, "w:gz") as archive:
        archive.add(home / LEDGER_FILE, "../../ledger.sqlite")
    with writer_lock(home), pytest.raises(LedgerError, match="does not belong"):
        restore(home, saved, replace=True)


def test_restore_moves_nothing_aside_unasked(home: Path, tmp_path: Path) -> None:
    back_up(home, tmp_path / "saved")
    with writer_lock(home), pytest.raises(LedgerError, match="--replace"):
        restore(home, tmp_path / "saved", replace=False)


def test_commands(home: Path, tmp_path: Path) -> None:
    at = ("--ledger", str(home))
    (made,) = rows("ledger", "backup", str(tmp_path / "saved"), "--json", *at)
    assert made["seq"] == 5
    done = run("ledger", "restore", str(tmp_path / "saved"), *at)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    done = run("ledger", "restore", str(tmp_path / "saved"), "--replace", *at)
    assert done.returncode == 0
    assert list(home.glob("ledger.sqlite.before-*"))
    (row,) = rows("report", "--json", *at)
    assert row["calls"] == 5


def test_unlink_outlives_the_ledger(tmp_path: Path) -> None:
    inner, outer = observe(2, above=(1,), end_s=2), observe(1, end_s=3, scope="framework")
    _journal(tmp_path, inner, outer)
    at = ("--ledger", str(tmp_path))
    assert len(rows("ledger", "unlink", outer.span_id, "--json", *at)) == 1
    (before,) = rows("report", "--json", *at)
    _drop(tmp_path)
    (after,) = rows("report", "--json", *at)
    assert before == after
    assert after["calls"] == 2


def test_unlink_reaches_a_ledger_that_had_joined_them(tmp_path: Path) -> None:
    """One that was put back from a backup older than the decision."""
    inner, outer = observe(2, above=(1,), end_s=2), observe(1, end_s=3, scope="framework")
    _journal(tmp_path, inner, outer)
    at = ("--ledger", str(tmp_path))
    rows("ledger", "backup", str(tmp_path / "saved"), "--json", *at)
    rows("report", "--json", *at)
    rows("ledger", "backup", str(tmp_path / "saved"), "--json", *at)
    rows("ledger", "unlink", outer.span_id, "--json", *at)
    rows("ledger", "restore", str(tmp_path / "saved"), "--replace", "--json", *at)
    (row,) = rows("report", "--json", *at)
    assert row["calls"] == 2


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("database is locked", "another program holds it"),
        ("database or disk is full", "free some space"),
        ("attempt to write a readonly database", "writable"),
        ("unable to open database file", "readable"),
        ("database disk image is malformed", "rebuilds it from the journal"),
    ],
)
def test_advice_fits_the_error(tmp_path: Path, error: str, advice: str) -> None:
    assert advice in remedy(tmp_path, error)
    assert ("move" in remedy(tmp_path, error)) == ("malformed" in error)


def test_where_segments_were_retired_nobody_is_told_to_rebuild(home: Path) -> None:
    advice = remedy(home, "file is not a database")
    assert "ledger restore FILE" in advice
    assert "move" not in advice
    assert "move" not in remedy(None, "database disk image is malformed")


def test_locked_ledger_is_not_called_damaged(home: Path) -> None:
    holder = sqlite3.connect(home / LEDGER_FILE, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    done = run("entries", "--json", "--ledger", str(home))
    holder.close()
    assert "another program holds it" in done.stderr
    assert "damaged" not in done.stderr


_DAMAGE = (
    "DELETE FROM meta",
    "UPDATE meta SET value = 'x' WHERE key = 'format'",
    "UPDATE entry SET body = '{}'",
    'UPDATE entry SET body = replace(body, \'"amount":"\', \'"amount":"many \') WHERE seq = 3',
    "UPDATE entry SET body = 5 WHERE seq = 3",
    'UPDATE entry SET body = replace(body, \'"input":\', \'"input":"many","x":\') WHERE seq = 3',
    "UPDATE observation SET body = CAST('{}' AS BLOB)",
    "UPDATE segment SET missing = 'x'",
)


@pytest.mark.parametrize("statement", _DAMAGE)
def test_damage_is_one_line_with_the_right_remedy(home: Path, statement: str) -> None:
    with sqlite3.connect(home / LEDGER_FILE) as db:
        db.execute(statement)
    db.close()
    for command in ("charges", "ship", "coverage", "rerate"):
        done = run(command, "--json", "--ledger", str(home))
        assert "Traceback" not in done.stderr, (command, done.stderr)
        assert "move ledger.sqlite away" not in done.stderr


def test_doctor_says_that_a_backup_is_due(home: Path, tmp_path: Path) -> None:
    def state() -> str:
        done = run("doctor", "--json", "--ledger", str(home))
        found = {row["name"]: row["state"] for row in map(json.loads, done.stdout.splitlines())}
        return str(found["backup"])

    assert state() == "failure"
    back_up(home, tmp_path / "saved")
    assert state() == "ok"
    _journal(home, *_calls(6, 7))
    _retire(home)
    assert state() == "warning"


def test_ship_does_not_say_all_is_well(tmp_path: Path) -> None:
    _journal(tmp_path, *_calls(1, 2))
    at = ("--ledger", str(tmp_path))
    assert run("ship", "--drain", *at).returncode == 0
    newer = tmp_path / "journal" / "9-newer.jsonl"
    from otel_genai_cost.journal.open_segment import frame

    newer.write_bytes(frame(b'{"type":"header","format":99}'))
    done = run("ship", "--drain", *at)
    assert (done.returncode, "1 unreadable" in done.stdout) == (1, True)
    newer.unlink()
    (tmp_path / "charges.duckdb").write_bytes(b"no database" * 500)
    assert run("ship", "--drain", *at).returncode == 1


def test_files_are_as_private_as_the_ledger(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        _journal(tmp_path, *_calls(1, 2))
        assert run("ship", "--drain", "--ledger", str(tmp_path)).returncode == 0
    finally:
        os.umask(before)
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.is_file()
    }
    assert modes.keys() >= {"ledger.sqlite", "charges.duckdb"}
    assert set(modes.values()) == {0o600}, modes


def test_decision_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    from otel_genai_cost.ledger.storage.decided import decide

    (tmp_path / "events").touch()
    with pytest.raises(GenAICostError, match="nothing was changed"):
        decide(tmp_path, {"type": "unlink"})
