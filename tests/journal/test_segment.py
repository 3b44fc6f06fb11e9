"""Writing the journal: threads, forks, kill -9, and every way a disk can fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.reader import is_finished, segments
from otel_genai_cost.journal.repair import inspect, retire, sweep
from otel_genai_cost.journal.segment import Journal
from tests.journal.written import records


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


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_group_may_read_if_that_was_asked_for(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "journal"

    def keep(into: Path) -> None:
        store_book(into, "digest", b"{}")

    before = os.umask(umask)
    try:
        journal = Journal([folder], files=OsFiles(group=True), prepare=keep)
        journal.append({"n": 1})
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o7777 == 0o2750
    assert segments(folder)[0].stat().st_mode & 0o777 == 0o640
    assert (folder / "books").stat().st_mode & 0o777 == 0o750
    assert (folder / "books" / "digest.json").stat().st_mode & 0o777 == 0o640


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
    journal = Journal([tmp_path], bound=Bound(segment_bytes=2_000))
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
    journal = Journal([tmp_path], files=files, bound=Bound(segment_bytes=1))

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


def test_what_a_dead_writer_left_unnamed_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".0-dead.new").write_bytes(b"half a header")
    assert segments(tmp_path) == []
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_everybody_elses_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PermissionError, match="everybody can write"):
        OsFiles().make_folder(shared)


def test_half_a_book_is_swept_once_nobody_can_be_writing_it(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    old, new = (tmp_path / "books" / f".{name}.json.0.new" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert sweep(tmp_path) == 1
    assert list((tmp_path / "books").iterdir()) == [new]
