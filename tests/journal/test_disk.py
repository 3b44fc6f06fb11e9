"""Every way a disk can fail: what cannot be written waits, and nothing half written is left behind."""

from __future__ import annotations

import errno
import logging
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.journal.unwritten import MEMORY_LIMIT
from tests.journal.written import records


class _Failing(OsFiles):
    """Files whose next writes fail as told."""

    def __init__(self) -> None:
        super().__init__()
        self.error: int | None = None
        self.short = False
        self.made = 0
        self.broken: set[Path] = set()

    def create(self, path: Path) -> int:
        self.made += 1
        if path.parent in self.broken:
            raise OSError(errno.EACCES, "not here", str(path))
        return super().create(path)

    def write(self, descriptor: int, line: Any) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        if self.short:
            self.short = False
            return super().write(descriptor, line[:-5])
        return super().write(descriptor, line)


def test_short_write_goes_again_into_a_new_segment(tmp_path: Path) -> None:
    files = _Failing()
    journal = Journal([tmp_path], files=files)
    journal.append({"n": 1})
    files.short = True
    assert journal.append({"n": 2})
    assert journal.append({"n": 3})
    journal.close()
    assert [r["n"] for r in records(tmp_path)] == [1, 2, 3]
    assert len(segments(tmp_path)) == 2


class _PowerCut(OsFiles):
    """A disk of which a file's name is lost that was not brought onto it."""

    def __init__(self) -> None:
        super().__init__()
        self.unnamed: set[Path] = set()
        self.fails = False

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self.unnamed.add(new)

    def sync_folder(self, folder: Path, /) -> None:
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))
        self.unnamed = {path for path in self.unnamed if path.parent != folder}

    def lose_power(self) -> None:
        for path in self.unnamed:
            path.unlink()


@pytest.mark.parametrize("opens", [True, False])
def test_what_is_brought_onto_the_disk_is_there_under_its_name(tmp_path: Path, opens: bool) -> None:
    files = _PowerCut()
    journal = Journal([tmp_path], files=files, bound=Bound(segment_bytes=700), fsync=True)
    if opens:
        journal.open()
    for n in range(9):
        assert journal.append({"n": n, "pad": "x" * 150})
    assert len(segments(tmp_path)) > 2
    files.lose_power()
    assert [r["n"] for r in records(tmp_path)] == list(range(9))


def test_a_record_whose_name_is_not_on_the_disk_is_not_there(tmp_path: Path) -> None:
    files = _PowerCut()
    files.fails = True
    journal = Journal([tmp_path], files=files, fsync=True)
    assert not journal.append({"n": 1})
    assert list(tmp_path.iterdir()) == []
    files.fails = False
    assert journal.retry()
    assert [r["n"] for r in records(tmp_path)] == [1]


@pytest.mark.parametrize("error", [None, errno.EINVAL, errno.ENOTSUP])
def test_a_folder_is_brought_onto_the_disk_where_that_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int | None
) -> None:
    synced: list[bool] = []

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(is_folder)
        if is_folder and error is not None:
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal([tmp_path], fsync=True)
    assert journal.append({"n": 1}) and journal.append({"n": 2})
    assert synced == [False, True, False]


def test_next_folder_takes_over(tmp_path: Path) -> None:
    files = _Failing()
    files.broken.add(tmp_path / "a")
    journal = Journal([tmp_path / "a", tmp_path / "b"], files=files)
    assert journal.append({"n": 1})
    assert journal.folder == tmp_path / "b"


def test_folder_that_is_a_file_falls_back(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal([tmp_path / "file", tmp_path / "file" / "below", tmp_path / "good"])
    assert journal.append({"n": 1})
    assert journal.folder == tmp_path / "good"


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_records_wait_in_memory_and_go_out_later(
    tmp_path: Path, error: int, caplog: pytest.LogCaptureFixture
) -> None:
    files = _Failing()
    journal = Journal([tmp_path], files=files)
    journal.append({"n": 0})
    files.error = error
    with caplog.at_level(logging.ERROR, logger="otel_genai_cost"):
        assert not any(journal.append({"n": n}) for n in (1, 2, 3))
    assert journal.not_journalled == 3
    assert "no journal folder can be written" in caplog.text
    assert "OTEL_GENAI_COST_JOURNAL" in caplog.text
    assert not journal.retry()
    files.error = None
    assert journal.retry()
    assert journal.not_journalled == 0
    journal.close()
    assert [r["n"] for r in records(tmp_path)] == [0, 1, 2, 3]


def test_memory_is_bounded_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    files = _Failing()
    files.error = errno.ENOSPC
    journal = Journal([tmp_path], files=files)
    for n in range(MEMORY_LIMIT + 7):
        journal.append({"n": n})
    assert journal.dropped == 7
    assert journal.not_journalled == MEMORY_LIMIT + 7
    files.error = None
    journal.close()
    assert [r["n"] for r in records(tmp_path)] == list(range(7, MEMORY_LIMIT + 7))


def test_hook_leaves_looking_for_room_to_the_retrying_thread(tmp_path: Path) -> None:
    now_s = [100.0]
    files = _Failing()
    journal = Journal([tmp_path], files=files, monotonic_s=lambda: now_s[0])
    journal.append({"n": 0})
    files.error = errno.ENOSPC
    made = files.made
    for n in range(1, 50):
        journal.append({"n": n})
    assert files.made == made + 1  # a full folder is tried once, and then by the thread
    now_s[0] += 11.0  # a server that never schedules the thread
    files.error = None
    assert journal.append({"n": 50})
    journal.close()
    assert sorted(r["n"] for r in records(tmp_path)) == list(range(51))


def test_full_folder_is_not_filled_with_beginnings(tmp_path: Path) -> None:
    files = _Failing()
    files.error = errno.ENOSPC
    journal = Journal([tmp_path], files=files)
    journal.append({"n": 1})
    assert list(tmp_path.iterdir()) == []


def test_what_is_lost_at_the_end_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = _Failing()
    files.error = errno.ENOSPC
    journal = Journal([tmp_path], files=files)
    journal.append({"n": 1})
    journal.close()
    assert "1 record(s) are lost" in caplog.text


_FULL = """
import resource, signal, sys
from pathlib import Path
from otel_genai_cost.journal.segment import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
journal = Journal([Path(sys.argv[1])])
print(sum(journal.append({"n": n, "pad": "x" * 100}) for n in range(100)), journal.dropped)
"""


def test_really_full_file_rolls_over(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["100", "0"]
    assert sorted({r["n"] for r in records(tmp_path)}) == list(range(100))
    assert resource.RLIMIT_FSIZE is not None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system takes root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


_BOOK = b"x" * 200_000


def _keep(folder: Path) -> None:
    store_book(folder, "digest", _BOOK)


def test_line_needs_no_room_for_a_book(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal([small_disk / "journal"], prepare=_keep)
    assert all(journal.append({"n": n}) for n in range(20))
    assert not journal.retry()  # the book still waits
    assert journal.not_journalled == 0
    assert "the price book cannot be kept" in caplog.text
    assert sorted(path.name for path in small_disk.glob("**/.*")) == []
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert journal.retry()
    assert (small_disk / "journal" / "books" / "digest.json").stat().st_size == len(_BOOK)
    journal.close()
    assert [r["n"] for r in records(small_disk / "journal")] == list(range(20))


def test_full_disk_that_becomes_free_gets_every_line_and_no_rubbish(small_disk: Path) -> None:
    folder = small_disk / "journal"
    journal = Journal([folder], prepare=_keep)
    journal.append({"n": 0})
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            os.write(file.fileno(), b"x" * 1024)
    taken = 1
    while journal.append({"n": taken, "pad": "x" * 200}):  # what is left of the last page
        taken += 1
    for n in range(taken + 1, 60):
        assert not journal.append({"n": n})
    files = len(list(folder.iterdir()))
    for _ in range(5):
        assert not journal.retry()
    assert len(list(folder.iterdir())) == files, "each try leaves another file"
    assert not list(folder.glob("**/.*"))
    ballast.unlink()
    assert journal.retry() is False  # lines first: they are out, the book does not fit
    assert journal.not_journalled == 0
    journal.close()
    assert {r["n"] for r in records(folder)} == set(range(60))


_NARROW = """
import resource, signal, sys
from pathlib import Path
from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.segment import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
journal = Journal([Path(sys.argv[1])], prepare=lambda into: store_book(into, "d", b"x" * 9_000))
print(sum(journal.append({"n": n}) for n in range(5)), journal.retry())
"""


def test_book_that_does_not_fit_leaves_no_half_of_it(tmp_path: Path) -> None:
    """The nearest to a full disk where nothing may be mounted: no file may be longer than 3,000 bytes."""
    done = subprocess.run(
        [sys.executable, "-c", _NARROW, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["5", "False"]
    assert list((tmp_path / "books").iterdir()) == []
    assert len(records(tmp_path)) == 5
