"""What a ledger says it has: only what it has for good, so that nothing else goes, and it knows what went."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.ingested import MARKS, is_marked, marked
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.backups import back_up
from otel_genai_cost.ledger.storage.keeping import retired
from otel_genai_cost.ledger.storage.restoring import restore
from otel_genai_cost.ledger.storage.retention import unmark_all
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.build import observe


def _append(journal: Journal, spans: range) -> None:
    for n in spans:
        assert journal.append(to_record(observe(n, trace=n, start_s=n, end_s=n + 1)))


def _journal(home: Path, spans: range, segment_bytes: int = 1 << 20) -> None:
    journal = Journal([home / "journal"], bound=Bound(segment_bytes=segment_bytes))
    _append(journal, spans)
    journal.close()


def _calls(home: Path) -> int:
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    calls = sum(entry.calls for entry in ledger.entries)
    ledger.close()
    return calls


def _are_marked(home: Path) -> list[bool]:
    return [is_marked(path, path.stat().st_size) for path in segments(home / "journal")]


def test_finished_segments_are_marked_once_they_are_booked_and_live_ones_are_not(
    tmp_path: Path,
) -> None:
    live = Journal([tmp_path / "journal"])
    _append(live, range(1, 3))
    _journal(tmp_path, range(3, 5))
    assert _are_marked(tmp_path) == [False, False]
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert sorted(_are_marked(tmp_path)) == [False, True]
    live.close()
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert _are_marked(tmp_path) == [True, True]
    assert retired(tmp_path) == 0


def test_what_a_writer_deleted_is_counted_and_then_the_ledger_cannot_be_rebuilt(
    tmp_path: Path,
) -> None:
    _journal(tmp_path, range(1, 40), 2_000)
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    before = segments(tmp_path / "journal")
    for path in before[:3]:
        path.unlink()
    (tmp_path / LEDGER_FILE).rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"3 segment\(s\) that an earlier one had are gone"):
            ship(tmp_path, [tmp_path / "journal"], drain=True)
    (tmp_path / "away").rename(tmp_path / LEDGER_FILE)
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert retired(tmp_path) == 3
    assert set(marked(tmp_path / "journal")) == set(before[3:])
    assert _calls(tmp_path) == 39
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    with pytest.raises(LedgerError, match="were retired"):
        ship(tmp_path, [tmp_path / "journal"], drain=True)


def test_one_that_follows_counts_what_goes_meanwhile(tmp_path: Path) -> None:
    bound = Bound(60_000)
    journal = Journal([tmp_path / "journal"], bound=bound)
    n = 1
    for _ in range(12):
        _append(journal, range(n, n + 40))
        n += 40
        ship(tmp_path, [tmp_path / "journal"], drain=True)
    journal.close()
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert journal.not_journalled == 0
    assert retired(tmp_path) > 0
    assert sum(path.stat().st_size for path in segments(tmp_path / "journal")) < 65_000
    assert _calls(tmp_path) == n - 1


def test_segment_that_cannot_be_read_whole_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _journal(tmp_path, range(1, 5))
    (segment,) = segments(tmp_path / "journal")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(bytes(content))
    for retire in (False, True):
        ship(tmp_path, [tmp_path / "journal"], drain=True, retire_segments=retire)
    assert segment.exists() and _are_marked(tmp_path) == [False]
    assert "journal verify" in caplog.text


def test_marks_of_a_ledger_that_was_restored_are_taken_back(tmp_path: Path) -> None:
    _journal(tmp_path, range(1, 3))
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    back_up(tmp_path, tmp_path / "backup")
    _journal(tmp_path, range(3, 5))
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert _are_marked(tmp_path) == [True, True]
    restore(tmp_path, tmp_path / "backup", replace=True)
    unmark_all([tmp_path / "journal"])  # as the command does, before anybody makes room
    assert _are_marked(tmp_path) == [False, False]
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert _are_marked(tmp_path) == [True, True]
    assert _calls(tmp_path) == 4


def test_ledger_from_an_older_backup_says_what_it_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _journal(tmp_path, range(1, 3))
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    back_up(tmp_path, tmp_path / "backup")
    _journal(tmp_path, range(3, 5))
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    segments(tmp_path / "journal")[-1].unlink()
    restore(tmp_path, tmp_path / "backup", replace=True)
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert "1 journal segment(s) that another ledger had are gone" in caplog.text


def test_folder_that_the_ledger_may_not_mark_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _journal(tmp_path, range(1, 60), 2_000)
    (tmp_path / "journal" / MARKS).touch()  # no folder can be made there
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        ship(tmp_path, [tmp_path / "journal"], drain=True)
    said = [one for one in caplog.records if "OTEL_GENAI_COST_JOURNAL_ACCESS" in one.getMessage()]
    assert len(said) == 1
