"""Records that come together are written together, and each is kept as if it had come alone."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.repair import inspect
from otel_genai_cost.journal.segment import Journal
from tests.journal.written import records

_PAD = "x" * 200


class _Files(OsFiles):
    """Counts writes; the next ones fail as told."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.error: int | None = None
        self.is_short = False

    def write(self, descriptor: int, line: Any) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        self.sizes.append(len(line))
        if self.is_short:
            self.is_short = False
            return super().write(descriptor, line[: len(line) // 2])
        return super().write(descriptor, line)


def _lines(numbers: range) -> list[bytes]:
    return [encode({"n": n, "pad": _PAD}) for n in numbers]


def _numbers(folder: Path) -> list[int]:
    return [record["n"] for record in records(folder) if "n" in record]


def test_in_their_order_by_few_writes(tmp_path: Path) -> None:
    files = _Files()
    journal = Journal([tmp_path], files=files)
    journal.open()
    files.sizes.clear()
    assert journal.append_all(_lines(range(1_000)))
    assert journal.append_all([])
    assert len(files.sizes) == 4 and max(files.sizes) < 66_000
    assert journal.append({"n": 1_000})
    journal.close()
    assert _numbers(tmp_path) == list(range(1_001))
    assert [state.gaps for state in inspect(tmp_path)] == [0]


def test_of_a_write_that_broke_off_all_go_again(tmp_path: Path) -> None:
    """Some are there twice then: an observation is known by its id."""
    files = _Files()
    journal = Journal([tmp_path], files=files)
    journal.append({"n": 0})
    files.is_short = True
    assert journal.append_all(_lines(range(1, 10)))
    journal.close()
    assert _numbers(tmp_path) == [0, 1, 2, 3, 4, *range(1, 10)]
    assert len(segments(tmp_path)) == 2
    assert sum(state.gaps for state in inspect(tmp_path)) == 0


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_where_none_can_be_written_all_wait(tmp_path: Path, error: int) -> None:
    files = _Files()
    journal = Journal([tmp_path], files=files)
    journal.append({"n": 0})
    files.error = error
    assert not journal.append_all(_lines(range(1, 6)))
    assert journal.not_journalled == 5
    files.error = None
    assert journal.retry()
    journal.close()
    assert _numbers(tmp_path) == list(range(6))


def test_no_more_than_the_folder_may_hold(tmp_path: Path) -> None:
    limit = 64_000
    journal = Journal([tmp_path], bound=Bound(limit))
    assert not journal.append_all(_lines(range(1_000)))
    size = sum(path.stat().st_size for path in segments(tmp_path))
    assert 0.8 * limit < size < 1.05 * limit
    kept = _numbers(tmp_path)
    assert kept == list(range(len(kept)))
    assert len(kept) + journal.not_journalled == 1_000 and journal.dropped == 0


def test_what_was_taken_away_is_written_again(tmp_path: Path) -> None:
    now_s = [100.0]
    journal = Journal([tmp_path], monotonic_s=lambda: now_s[0])
    assert journal.append_all(_lines(range(5)))
    (path,) = segments(tmp_path)
    path.unlink()
    now_s[0] += 2.0
    assert journal.append_all(_lines(range(5, 9)))
    journal.close()
    assert _numbers(tmp_path) == list(range(9))
    assert journal.replaced == {"removed": 1}


def test_of_many_threads_each_record_is_there_once(tmp_path: Path) -> None:
    journal = Journal([tmp_path], bound=Bound(segment_bytes=50_000))

    def write(thread: int) -> None:
        for n in range(0, 500, 25):
            assert journal.append_all(_lines(range(thread * 500 + n, thread * 500 + n + 25)))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert sorted(_numbers(tmp_path)) == list(range(2_000))
    assert len(segments(tmp_path)) > 5
    assert sum(state.gaps for state in inspect(tmp_path)) == 0


def test_a_request_waits_for_room_once_and_not_for_each_record(tmp_path: Path) -> None:
    other = tmp_path / f"{1:016d}-{1:016x}.jsonl"
    other.write_bytes(b"x" * 70_000)
    now_s = [100.0]

    def clock() -> float:
        now_s[0] += 0.01
        return now_s[0]

    journal = Journal([tmp_path], bound=Bound(64_000, "block", 0.5), monotonic_s=clock)
    assert not journal.append_all(_lines(range(50)))
    assert journal.not_journalled == 50
    assert now_s[0] - 100.0 < 5.0


def test_of_many_at_once_none_is_forgotten_that_was_written_since_the_last_look(
    tmp_path: Path,
) -> None:
    now_s = [100.0]
    journal = Journal([tmp_path], monotonic_s=lambda: now_s[0])
    journal.open()
    (path,) = segments(tmp_path)
    path.unlink()
    assert journal.append_all(_lines(range(5_000)))
    journal.close()
    assert sorted(_numbers(tmp_path)) == list(range(5_000))


def test_what_a_segment_does_not_say_for_all_its_lines_say(tmp_path: Path) -> None:
    """A folder that was full from the beginning has a segment without facts."""
    other = tmp_path / f"{1:016d}-{1:016x}.jsonl"
    other.write_bytes(b"x" * 70_000)
    journal = Journal([tmp_path], bound=Bound(64_000))
    assert not journal.append_all([encode({"n": 0})])
    journal.open({"book": "b" * 64})
    assert not journal.facts
    other.unlink()
    assert journal.retry()
    journal.close()
    assert _numbers(tmp_path) == [0]
