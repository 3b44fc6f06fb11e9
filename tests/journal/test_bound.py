"""A folder that is full: what a ledger has goes first, else a record is refused, and that it is missing is proved."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.ingested import MARKS, is_marked, mark, marked, unmark
from otel_genai_cost.journal.reader import is_finished, segments
from otel_genai_cost.journal.repair import inspect
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.journal.unwritten import MEMORY_LIMIT
from tests.journal.written import records

_LIMIT = 64_000
_PAD = "x" * 200


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in segments(folder))


def _mark_finished(folder: Path) -> int:
    """What a ledger does that has read everything there is."""
    done = [path for path in segments(folder) if is_finished(path)]
    for path in done:
        mark(path, path.stat().st_size, "a ledger")
    return len(done)


class _Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _fill(journal: Journal, first: int = 0) -> int:
    """Append until a record is refused; the first number that was."""
    n = first
    while journal.append({"n": n, "pad": _PAD}):
        n += 1
        assert n < first + 10_000
    return n


def test_folder_that_nobody_reads_takes_what_it_may_and_refuses_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal([tmp_path / "a", tmp_path / "b"], bound=Bound(_LIMIT))
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        taken = _fill(journal)
        assert not any(journal.append({"n": n, "pad": _PAD}) for n in range(taken + 1, taken + 50))
    assert 0.8 * _LIMIT < _size(tmp_path / "a") < 1.05 * _LIMIT
    assert not (tmp_path / "b").exists()  # a folder that is full is not evaded
    assert journal.not_journalled == 50 and journal.dropped == 0
    (said,) = [one.getMessage() for one in caplog.records]
    assert "OTEL_GENAI_COST_JOURNAL_LIMIT_MIB" in said and "1 record(s) in memory only" in said
    assert len(segments(tmp_path / "a")) > 10
    assert [state.gaps for state in inspect(tmp_path / "a")] == [0] * len(segments(tmp_path / "a"))


def test_what_a_ledger_has_goes_first_and_the_oldest_before_the_others(tmp_path: Path) -> None:
    journal = Journal([tmp_path], bound=Bound(_LIMIT))
    taken = _fill(journal)
    old = segments(tmp_path)
    assert _mark_finished(tmp_path) == len(old) - 1  # the one that it writes is nobody's yet
    assert journal.retry()
    left = segments(tmp_path)
    gone = [path for path in old if path not in left]
    assert gone and gone == old[: len(gone)], "only as many as are needed, the oldest first"
    assert set(gone) <= set(marked(tmp_path)), "that they are gone stays visible"
    assert records(tmp_path)[-1]["n"] == taken
    assert journal.not_journalled == 0


def test_nothing_that_is_live_longer_or_not_marked_ever_goes(tmp_path: Path) -> None:
    other = Journal([tmp_path])
    other.append({"n": 1})
    (live,) = segments(tmp_path)
    mark(live, live.stat().st_size, "a ledger that is mistaken")
    finished = Journal([tmp_path])
    finished.append({"n": 2})
    finished.close()
    longer = segments(tmp_path)[-1]
    mark(longer, longer.stat().st_size - 1, "a ledger that read less")
    journal = Journal([tmp_path], bound=Bound(_LIMIT))
    _fill(journal)
    journal.retry()
    assert live.exists() and longer.exists()
    assert {1, 2} <= {record["n"] for record in records(tmp_path) if "n" in record}


def test_a_folder_of_very_many_small_segments_is_thinned_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_genai_cost.journal.bound._SEGMENTS_MAX", 20)
    for n in range(30):
        journal = Journal([tmp_path], bound=Bound(1 << 30))
        journal.append({"n": n})
        journal.close()
        _mark_finished(tmp_path)
    assert len(segments(tmp_path)) <= 21


def test_what_is_lost_is_proved_by_the_numbers(tmp_path: Path) -> None:
    journal = Journal([tmp_path], bound=Bound(_LIMIT))
    first = _fill(journal)
    for n in range(first + 1, first + MEMORY_LIMIT + 25):
        journal.append({"n": n})
    assert journal.dropped == 25
    gaps = {state.path: state.gaps for state in inspect(tmp_path)}
    _mark_finished(tmp_path)
    assert not journal.retry()  # all that waits is more than the folder holds
    while not journal.retry():
        gaps |= {state.path: state.gaps for state in inspect(tmp_path)}
        assert _mark_finished(tmp_path)
    journal.close()
    gaps |= {state.path: state.gaps for state in inspect(tmp_path)}
    assert sum(gaps.values()) == 25
    kept = [record for record in records(tmp_path) if "n" in record]
    assert kept[-1]["n"] == first + MEMORY_LIMIT + 24


def test_what_is_lost_at_the_end_is_proved_by_the_seal(tmp_path: Path) -> None:
    journal = Journal([tmp_path], bound=Bound(_LIMIT))
    first = _fill(journal)
    journal.append({"n": first + 1})
    journal.close()
    assert journal.dropped == 2
    assert sum(state.gaps for state in inspect(tmp_path)) == 2
    assert all(state.sealed for state in inspect(tmp_path))


def test_what_is_lost_is_written_down_once_a_minute(tmp_path: Path) -> None:
    clock = _Clock()
    journal = Journal([tmp_path], bound=Bound(_LIMIT), monotonic_s=clock)
    first = _fill(journal)
    for n in range(first + 1, first + MEMORY_LIMIT + 40):
        journal.append({"n": n})
    clock.now_s += 61
    assert not journal.retry()
    (live,) = [state for state in inspect(tmp_path) if not state.finished]
    assert live.lost == 40
    del journal  # and then it is killed: nothing else is written
    assert sum(state.gaps for state in inspect(tmp_path)) == 40


def test_segment_ends_after_an_hour_with_a_seal(tmp_path: Path) -> None:
    clock = _Clock()
    journal = Journal([tmp_path], monotonic_s=clock)
    journal.append({"n": 1})
    clock.now_s += 3_599
    journal.append({"n": 2})
    assert len(segments(tmp_path)) == 1
    clock.now_s += 2
    assert journal.append({"n": 3}) and journal.append({"n": 4})
    states = inspect(tmp_path)
    assert [(state.records, state.finished, state.sealed) for state in states] == [
        (3, True, True),
        (1, False, False),
    ]


class _Counting(OsFiles):
    def __init__(self) -> None:
        super().__init__()
        self.looks = self.calls = 0

    def segments(self, folder: Path) -> list[tuple[Path, int]]:
        self.looks += 1
        return super().segments(folder)

    def write(self, descriptor: int, line: Any) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.calls += 1
        return os.write(descriptor, line)


def test_append_looks_at_the_folder_when_a_segment_begins_and_every_few_seconds(
    tmp_path: Path,
) -> None:
    files, clock = _Counting(), _Clock()
    journal = Journal([tmp_path], bound=Bound(1 << 26), files=files, monotonic_s=clock)
    for _ in range(1_000):
        journal.append({"n": 1})
    assert (files.looks, files.calls) == (1, 1_001)
    for _ in range(30):
        clock.now_s += 1.0
        journal.append({"n": 1})
    assert files.looks == 4


def test_several_writers_share_what_room_there_is(tmp_path: Path) -> None:
    journals = [Journal([tmp_path], bound=Bound(10 * _LIMIT)) for _ in range(8)]
    taken = [0] * 8
    for n in range(10_000):
        for one, journal in enumerate(journals):
            taken[one] += journal.append({"n": n, "pad": _PAD})
        if n > max(taken) + 20:
            break
    assert _size(tmp_path) < 1.05 * 10 * _LIMIT
    assert min(taken) > 0.7 * max(taken), "none of them starves"
    assert all(journal.not_journalled for journal in journals)


@pytest.mark.parametrize("frees", [True, False])
def test_told_to_block_it_waits_for_room_but_not_for_ever(tmp_path: Path, frees: bool) -> None:
    bound = Bound(_LIMIT, "block", timeout_s=1.0 if not frees else 20.0)
    journal = Journal([tmp_path], bound=bound)
    quick = Journal([tmp_path], bound=Bound(_LIMIT))
    taken = _fill(quick)
    quick.close()
    ledger = threading.Timer(0.3, _mark_finished, [tmp_path])
    if frees:
        ledger.start()
    began_s = time.monotonic()
    assert journal.append({"n": taken, "pad": _PAD}) is frees
    took_s = time.monotonic() - began_s
    assert 0.3 <= took_s < 10 if frees else 1.0 <= took_s < 5
    assert journal.not_journalled == (0 if frees else 1)
    if frees:
        ledger.join()


def test_mark_is_for_the_very_segment_and_a_broken_one_is_none(tmp_path: Path) -> None:
    segment = tmp_path / "0001-ab.jsonl"
    segment.write_bytes(b"x" * 10)
    assert not is_marked(segment, 10)
    mark(segment, 10, "1")
    assert is_marked(segment, 10) and not is_marked(segment, 11)
    for broken in (b"", b"[]", b"{}", b"\xff"):
        (tmp_path / MARKS / segment.stem).write_bytes(broken)
        assert not is_marked(segment, 10)
    assert list(marked(tmp_path)) == [segment]
    (tmp_path / MARKS / segment.stem).unlink()
    os.mkfifo(tmp_path / MARKS / segment.stem)  # nobody ever writes there
    assert not is_marked(segment, 10)
    unmark(segment)
    unmark(segment)
    assert list(marked(tmp_path)) == [] == list(marked(tmp_path / "nowhere"))


def _as_ledger_of(group: int, segment: Path) -> None:
    """Ends with 0 if a member of the group may mark a segment, and neither change nor delete it."""
    os.setgroups([])
    os.setgid(group)
    os.setuid(12_345)
    os.umask(0o077)
    mark(segment, segment.stat().st_size, "a ledger of another user")
    with pytest.raises(PermissionError):
        segment.unlink()
    with pytest.raises(PermissionError):
        segment.open("ab")
    os._exit(0)


def test_group_may_mark_and_nothing_else() -> None:
    if os.geteuid() != 0:
        pytest.skip("other user ids take root")
    with tempfile.TemporaryDirectory() as place:  # nobody else may look into pytest's own
        Path(place).chmod(0o711)
        folder = Path(place) / "journal"
        journal = Journal([folder], files=OsFiles(group=True), bound=Bound(_LIMIT))
        OsFiles(group=True).make_folder(folder)
        os.chown(folder, 0, 4_321)
        os.chown(folder / MARKS, 0, 4_321)
        taken = _fill(journal)
        assert (folder / MARKS).stat().st_mode & 0o7777 == 0o2770
        old = segments(folder)[0]
        ledger = multiprocessing.get_context("fork").Process(
            target=_as_ledger_of, args=(4_321, old)
        )
        ledger.start()
        ledger.join()
        assert ledger.exitcode == 0
        assert journal.retry() and not old.exists(), "its writer deletes it"
        assert records(folder)[-1]["n"] == taken
