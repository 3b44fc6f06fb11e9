"""Writing the journal: threads, forks, kill -9, and every way a disk can fail."""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.reader import is_finished, read, segments
from otel_genai_cost.journal.repair import inspect, retire, sweep
from otel_genai_cost.journal.segment import MEMORY_LIMIT, Journal


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record of a folder's segments, whole files at once."""
    found: list[dict[str, Any]] = []
    for segment in segments(folder):
        offset, at_end = 0, False
        while not at_end:
            batch = read(segment, offset)
            found += batch.records
            offset, at_end = batch.offset, batch.at_end
    return found


def test_records_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    assert all(journal.append({"n": n, "text": "é\n"}) for n in range(100))
    journal.close()
    assert [(r["n"], r["seq"], r["text"]) for r in records(tmp_path)] == [
        (n, n + 1, "é\n") for n in range(100)
    ]


def test_seal_has_the_count_and_a_closed_journal_opens_a_new_segment(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    journal.append({"n": 1})
    journal.close()
    journal.append({"n": 2})
    journal.close()
    states = inspect(tmp_path)
    assert [(s.records, s.sealed, s.finished, s.gaps) for s in states] == [(1, True, True, 0)] * 2


def test_files_are_private(tmp_path: Path) -> None:
    journal = Journal([tmp_path / "new" / "journal"])
    journal.append({"n": 1})
    folder = tmp_path / "new" / "journal"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert segments(folder)[0].stat().st_mode & 0o777 == 0o600


def test_live_segment_is_told_from_a_finished_one_by_its_lock(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    journal.append({"n": 1})
    (segment,) = segments(tmp_path)
    assert not is_finished(segment)
    assert not retire(segment)
    journal.close()
    assert is_finished(segment)
    assert retire(segment)
    assert segments(tmp_path) == []


def test_threads_write_every_record_once(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    threads = [
        threading.Thread(target=lambda t=t: [journal.append({"t": t, "n": n}) for n in range(500)])
        for t in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    found = records(tmp_path)
    assert len({(r["t"], r["n"]) for r in found}) == len(found) == 4_000
    assert sorted(r["seq"] for r in found) == list(range(1, 4_001))


def test_full_segment_makes_room_for_the_next(tmp_path: Path) -> None:
    journal = Journal([tmp_path], segment_limit_bytes=2_000)
    threads = [
        threading.Thread(target=lambda: [journal.append({"n": n}) for n in range(300)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert len(segments(tmp_path)) > 5
    assert len(records(tmp_path)) == 1_200
    assert sum(state.gaps for state in inspect(tmp_path)) == 0


_FORKS = """
import ctypes, os, sys
from pathlib import Path
from otel_genai_cost.journal.reader import is_finished, segments
from otel_genai_cost.journal.segment import Journal
folder, fork = Path(sys.argv[1]), os.fork if sys.argv[2] == "os" else ctypes.PyDLL(None).fork
journal = Journal([folder])
journal.append({"who": "parent", "n": 0})
for n in range(2):
    pid = int(fork())
    if pid == 0:
        journal.append({"who": "child", "n": n})
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
assert not is_finished(segments(folder)[0])  # the child closed its copy and left the parent's lock alone
journal.append({"who": "parent", "n": 1})
journal.close()
"""


@pytest.mark.parametrize("how", ["os", "C, as uWSGI's"])
def test_forked_child_writes_a_segment_of_its_own(tmp_path: Path, how: str) -> None:
    """In a process without threads: after a fork behind Python's back, a child with threads may wait for ever."""
    subprocess.run([sys.executable, "-c", _FORKS, str(tmp_path), how], check=True, timeout=60)
    found = sorted((r["who"], r["n"]) for r in records(tmp_path))
    assert found == [("child", 0), ("child", 1), ("parent", 0), ("parent", 1)]
    assert len(segments(tmp_path)) == 3


_WRITER = """
import sys, threading
from pathlib import Path
from otel_genai_cost.journal.segment import Journal
journal = Journal([Path(sys.argv[1])])
def write(t):
    for n in range(100_000):
        journal.append({"t": t, "n": n})
        sys.stdout.write(f"{t} {n}\\n")
threads = [threading.Thread(target=write, args=(t,), daemon=True) for t in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(3_000)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    writer.stdout.close()
    found = {f"{r['t']} {r['n']}\n".encode() for r in records(tmp_path)}
    assert {line for line in acknowledged if line.endswith(b"\n")} <= found
    (state,) = inspect(tmp_path)
    assert state.finished
    assert not state.sealed


def test_os_exit_loses_nothing(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from otel_genai_cost.journal.segment import Journal\n"
        f"j = Journal([Path({str(tmp_path)!r})]); [j.append({{'n': n}}) for n in range(50)]; os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(records(tmp_path)) == 50


class _Failing(OsFiles):
    """Files whose next writes fail as told."""

    def __init__(self) -> None:
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


def test_everybody_elses_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PermissionError, match="everybody can write"):
        OsFiles().make_folder(shared)


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


def test_deleted_folder_is_noticed_and_made_anew(tmp_path: Path) -> None:
    now_s = [0.0]
    folder = tmp_path / "journal"
    journal = Journal([folder], monotonic_s=lambda: now_s[0])
    journal.append({"n": 1})
    for path in [*folder.iterdir(), folder]:
        path.unlink() if path.is_file() else path.rmdir()
    now_s[0] += 2.0
    assert journal.append({"n": 2})
    assert journal.append({"n": 3})
    journal.close()
    assert [r["n"] for r in records(folder)] == [2, 3]


@pytest.mark.parametrize("at", ["make_folder", "create", "rename"])
def test_record_written_by_a_finalizer_while_a_segment_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The garbage collector, or a signal's handler, may end a span at any step, on the thread that holds the lock."""
    files, calls = OsFiles(), list[str]()
    original = getattr(files, at)

    def interrupted(*args: Any) -> Any:
        calls.append(at)
        if len(calls) == 2:
            journal.append({"who": "finalizer"})
        return original(*args)

    monkeypatch.setattr(files, at, interrupted)
    journal = Journal([tmp_path], files=files, segment_limit_bytes=1)

    def write() -> None:
        for n in range(3):
            journal.append({"who": n})
        journal.close()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(20)
    assert not writer.is_alive(), "waits for itself"
    assert {r["who"] for r in records(tmp_path)} == {0, 1, 2, "finalizer"}
    assert len(records(tmp_path)) == 4


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


def test_what_a_dead_writer_left_unnamed_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".0-dead.new").write_bytes(b"half a header")
    assert segments(tmp_path) == []
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
