"""`genai-cost journal`: what there is, what is wrong with it, mending it, and deleting nothing that is not booked."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.keeping import retired
from otel_genai_cost.ledger.storage.store import Ledger
from tests.cli.program import call, rows_of
from tests.ledger.build import observe

Capture = pytest.CaptureFixture[str]


def _append(journal: Journal, spans: range) -> None:
    for n in spans:
        assert journal.append(to_record(observe(n, trace=n, start_s=n, end_s=n + 1)))


def _finished(home: Path, spans: range) -> Path:
    """A segment that its writer has closed."""
    before = set(segments(home / "journal"))
    journal = Journal([home / "journal"])
    _append(journal, spans)
    journal.close()
    (segment,) = set(segments(home / "journal")) - before
    return segment


def _ship(home: Path) -> None:
    ship(home, [home / "journal"], drain=True)


def _calls(home: Path) -> int:
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    calls = sum(entry.calls for entry in ledger.entries)
    ledger.close()
    return calls


def _break_line(segment: Path, number: int) -> int:
    """Change a byte of a line; where it begins."""
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[number] = lines[number][:20] + b"?" + lines[number][21:]
    segment.write_bytes(b"".join(lines))
    return sum(map(len, lines[:number]))


def test_ls_says_who_writes_and_how_far_the_ledger_has_it(capsys: Capture, tmp_path: Path) -> None:
    _finished(tmp_path, range(1, 4))
    live = Journal([tmp_path / "journal"])
    _append(live, range(4, 6))
    _ship(tmp_path)
    _append(live, range(6, 7))
    last = _finished(tmp_path, range(7, 9))
    found = rows_of(capsys, "journal", "ls", "--ledger", str(tmp_path))
    assert [(one["records"], one["finished"], one["sealed"], one["ledger"]) for one in found] == [
        (3, True, True, "whole"),
        (3, False, False, "part"),
        (2, True, True, "none"),
    ]
    assert 0 < found[1]["ingested_bytes"] < found[1]["bytes"]
    assert found[2]["bytes"] == last.stat().st_size
    assert len({one["process"] for one in found}) == 1 and found[0]["process"]
    assert all(0 <= one["age_s"] < 600 and one["begun"].endswith("Z") for one in found)
    answer = call(capsys, "journal", "ls", "--ledger", str(tmp_path))
    assert "live" in answer.out and "3 segments, 0.0 of 64 MiB" in answer.err


def test_verify_finds_each_damage_and_gap_with_its_place(capsys: Capture, tmp_path: Path) -> None:
    whole = _finished(tmp_path, range(1, 4))
    assert call(capsys, "journal", "verify", "--ledger", str(tmp_path)).code == 0
    broken = _finished(tmp_path, range(4, 9))
    at = _break_line(broken, 2)
    lines = broken.read_bytes().splitlines(keepends=True)
    torn = _finished(tmp_path, range(9, 12))
    torn.write_bytes(torn.read_bytes()[:-30])
    answer = call(capsys, "journal", "verify", "--ledger", str(tmp_path), "--json")
    assert answer.code == 1
    found = [(one["segment"], one["kind"], one["offset"], one["records"]) for one in answer.rows]
    assert found == [
        (str(broken), "damage", at, None),
        (str(broken), "gap", at + len(lines[2]), 1),
        (str(torn), "damage", torn.read_bytes().rfind(b"\n") + 1, None),
    ]
    assert "numbers 2 to 2 are missing" in answer.out
    assert call(capsys, "journal", "verify", str(whole), "--ledger", str(tmp_path)).code == 0


def test_a_seal_proves_what_is_missing_before_it(capsys: Capture, tmp_path: Path) -> None:
    segment = _finished(tmp_path, range(1, 6))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:-3], lines[-1]]))
    answer = call(capsys, "journal", "verify", "--ledger", str(tmp_path), "--json")
    assert [(one["kind"], one["records"]) for one in answer.rows] == [("gap", 2)]


def test_repair_puts_damage_aside_and_changes_no_figure(capsys: Capture, tmp_path: Path) -> None:
    broken = _finished(tmp_path, range(1, 6))
    _break_line(broken, 3)
    content = broken.read_bytes()
    live = Journal([tmp_path / "journal"])
    _append(live, range(6, 8))
    (done,) = rows_of(capsys, "journal", "repair", "--ledger", str(tmp_path))
    assert (done["repaired"], Path(done["original"]).read_bytes()) == (True, content)
    assert done["left_out_bytes"] == len(content) - broken.stat().st_size > 100
    assert broken.stat().st_mode & 0o777 == 0o600
    again = call(capsys, "journal", "verify", "--ledger", str(tmp_path), "--json")
    assert [one["kind"] for one in again.rows] == ["gap"]  # that one is missing stays true
    assert rows_of(capsys, "journal", "repair", "--ledger", str(tmp_path)) == []
    _ship(tmp_path)
    assert _calls(tmp_path) == 6
    (row,) = rows_of(capsys, "coverage", "--ledger", str(tmp_path))
    assert (row["observations"], row["shipped"], row["gaps"], row["damaged"]) == (7, 6, 1, 1)


def test_repair_refuses_what_is_still_written(capsys: Capture, tmp_path: Path) -> None:
    live = Journal([tmp_path / "journal"])
    _append(live, range(1, 4))
    (segment,) = segments(tmp_path / "journal")
    _break_line(segment, 2)
    answer = call(capsys, "journal", "repair", "--ledger", str(tmp_path), "--json")
    assert answer.code == 1 and "not read it to its end" in answer.rows[0]["reason"]
    assert not list((tmp_path / "journal").glob("*.damaged"))


def test_prune_deletes_what_the_ledger_has_and_nothing_else(
    capsys: Capture, tmp_path: Path
) -> None:
    had = [_finished(tmp_path, range(1, 4)), _finished(tmp_path, range(4, 6))]
    broken = _finished(tmp_path, range(6, 9))
    _break_line(broken, 2)
    live = Journal([tmp_path / "journal"])
    _append(live, range(9, 11))
    (written,) = set(segments(tmp_path / "journal")) - {*had, broken}
    _ship(tmp_path)
    unshipped = _finished(tmp_path, range(11, 13))
    named = call(capsys, "journal", "prune", str(unshipped), "--ledger", str(tmp_path), "--json")
    assert named.code == 1 and "no ledger has read it" in named.rows[0]["reason"]
    dry = rows_of(capsys, "journal", "prune", "--dry-run", "--ledger", str(tmp_path))
    assert {one["segment"] for one in dry if one["pruned"]} == set(map(str, had))
    assert len(segments(tmp_path / "journal")) == 5 and retired(tmp_path) == 0
    found = {
        Path(one["segment"]): one["reason"]
        for one in rows_of(capsys, "journal", "prune", "--ledger", str(tmp_path))
    }
    assert [found[path] for path in had] == [None, None]
    assert "still there" in found[written] and "not all of it can be read" in found[broken]
    assert "no ledger has read it" in found[unshipped]
    assert set(segments(tmp_path / "journal")) == {broken, written, unshipped}
    assert retired(tmp_path) == 2
    _ship(tmp_path)
    assert (_calls(tmp_path), retired(tmp_path)) == (11, 2)
    call(capsys, "journal", "repair", "--ledger", str(tmp_path))
    (row,) = rows_of(capsys, "journal", "prune", str(broken), "--ledger", str(tmp_path))
    assert row["pruned"] and list((tmp_path / "journal").glob("*.damaged"))


def test_what_is_no_segment_is_a_usage_error(capsys: Capture, tmp_path: Path) -> None:
    _finished(tmp_path, range(1, 2))
    answer = call(capsys, "journal", "ls", str(tmp_path / "x.jsonl"), "--ledger", str(tmp_path))
    assert answer.code == 2 and len(answer.err.splitlines()) == 1


def test_doctor_says_that_a_folder_is_full(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_GENAI_COST_JOURNAL_LIMIT_MIB", "1")

    def checked(name: str) -> dict[str, str]:
        rows = call(capsys, "doctor", "--ledger", str(tmp_path), "--json").rows
        return next(row for row in rows if row["name"] == name)

    journal = Journal([tmp_path / "journal"], bound=Bound(1 << 20))
    assert "of 1 MiB held" in checked("journal")["found"]
    while journal.append({"type": "filler", "pad": "x" * 500}):
        pass
    full = checked("journal")
    assert full["state"] == "failure" and "calls are refused" in full["found"]
    assert "OTEL_GENAI_COST_JOURNAL_LIMIT_MIB" in full["remedy"]
    _ship(tmp_path)
    assert checked("journal")["state"] == "ok"


def test_what_is_missing_is_counted_once_however_the_folder_is_written(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "ledger"
    segment = _finished(home, range(1, 4))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    monkeypatch.chdir(tmp_path)
    for written in ("ledger", str(home), "./ledger"):
        (done,) = rows_of(capsys, "ship", "--drain", "--ledger", written)
        assert (done["gaps"], _calls(home)) == (1, 2)
