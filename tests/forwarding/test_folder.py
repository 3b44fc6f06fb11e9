"""A journal's folder as its forwarder sees it, on a real file system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from otel_genai_cost.forwarding.folder import NOWHERE, JournalFolder, Life, Position
from otel_genai_cost.journal.ingested import has_mark, is_marked
from otel_genai_cost.journal.segment import Journal

_LIFE = Life("ledger", 2)


def _journal(tmp_path: Path, count: int = 1) -> tuple[Journal, str]:
    journal = Journal([tmp_path])
    for n in range(count):
        journal.append({"n": n})
    return journal, journal.begun[0].stem


def test_a_segment_is_finished_once_nobody_writes_it(tmp_path: Path) -> None:
    journal, segment = _journal(tmp_path)
    folder = JournalFolder(tmp_path)
    assert [name for name, _ in folder.segments()] == [segment]
    assert not folder.is_finished(segment)
    journal.close()
    assert folder.is_finished(segment)
    [(_, size)] = folder.segments()
    content = (tmp_path / f"{segment}.jsonl").read_bytes()
    assert folder.read(segment, 0, size) == content
    assert folder.read(segment, 5, 3) == content[5:8]
    assert folder.read(segment, size + 10, 3) == b""


def test_positions_are_kept(tmp_path: Path) -> None:
    journal, segment = _journal(tmp_path)
    folder = JournalFolder(tmp_path)
    assert folder.position(segment) == NOWHERE
    assert folder.receiver() is None
    position = Position(12, True, _LIFE)
    folder.keep(segment, position, durable=True)
    folder.keep_receiver(_LIFE)
    again = JournalFolder(tmp_path)
    assert (again.position(segment), again.receiver()) == (position, _LIFE)
    assert [name for name, _ in again.segments()] == [segment]
    journal.close()


@pytest.mark.parametrize(
    "noted",
    [b"", b"{", b"[]", b'{"offset":"x"}', b'{"offset":1}', b"[" * 5_000, b"\xff", b'{"offset":{}}'],
)
def test_what_makes_no_sense_is_no_position(tmp_path: Path, noted: bytes) -> None:
    folder = JournalFolder(tmp_path)
    folder.keep("a", Position(1, False, _LIFE))
    [place] = tmp_path.rglob("a")
    place.write_bytes(noted)
    assert folder.position("a") == NOWHERE


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path)
    folder.keep("a", Position(1, False, _LIFE))
    [place] = tmp_path.rglob("a")
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert folder.position("a") == NOWHERE


def test_what_is_gone_is_forgotten_and_what_is_there_is_not(tmp_path: Path) -> None:
    journal, segment = _journal(tmp_path)
    folder = JournalFolder(tmp_path)
    for name in (segment, "gone", "just gone"):
        folder.keep(name, Position(1, True, _LIFE))
        folder.mark(name, 1, "ledger")
    for name in (segment, "gone"):
        os.utime(next(tmp_path.rglob(f".forwarded/{name}")), (0, 0))
    folder.forget([])  # another process has just begun one that this one has not listed
    assert has_mark(tmp_path / "just gone.jsonl"), "its writer has not asked yet why it is gone"
    assert folder.position("just gone") == Position(1, True, _LIFE)
    assert folder.position("gone") == NOWHERE
    assert folder.position(segment) == Position(1, True, _LIFE)
    assert not is_marked(tmp_path / "gone.jsonl", 1)
    assert folder.is_marked(segment, 1)
    folder.unmark(segment)
    assert not folder.is_marked(segment, 1)
    journal.close()


def test_what_is_put_aside_is_no_segment_any_more(tmp_path: Path) -> None:
    journal, segment = _journal(tmp_path)
    journal.close()
    folder = JournalFolder(tmp_path)
    name = folder.put_aside(segment)
    assert (tmp_path / name).exists()
    assert folder.segments() == []


def test_a_sidecar_of_the_group_may_note_and_mark(tmp_path: Path) -> None:
    marks = tmp_path / "ingested"
    marks.mkdir()
    marks.chmod(0o2770)
    JournalFolder(tmp_path).keep("a", NOWHERE)
    [noted] = (path for path in marks.iterdir() if path.is_dir())
    assert noted.stat().st_mode & 0o7777 == 0o2770


_HOLDER = """
import os, sys, time
from pathlib import Path
from otel_genai_cost.forwarding.folder import JournalFolder
folder = JournalFolder(Path(sys.argv[1]))
print(folder.hold(), flush=True)
if sys.argv[2:] == ["forks"] and os.fork() == 0:
    print("forked", flush=True)
    time.sleep(60)
time.sleep(60)
"""


@pytest.mark.parametrize("forks", [[], ["forks"]])
def test_one_process_holds_a_folder_until_it_is_killed(tmp_path: Path, forks: list[str]) -> None:
    """Also if a child that it forked lives on: that has given its copy of the lock up."""
    command = [sys.executable, "-c", _HOLDER, str(tmp_path), *forks]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    folder = JournalFolder(tmp_path)
    assert not folder.hold()
    if forks:
        assert holder.stdout.readline() == "forked\n"
    holder.kill()
    holder.wait()
    held = folder.hold()
    if forks:
        os.killpg(holder.pid, signal.SIGKILL)
    holder.stdout.close()
    assert held
    assert folder.hold()
    folder.release()
    assert JournalFolder(tmp_path).hold()


def test_books_are_those_whose_name_is_true(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path)
    assert list(folder.books()) == []
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / f"{'0' * 64}.json").write_bytes(b"x")
    (tmp_path / "books" / ".hidden.new").write_bytes(b"x")
    [digest] = folder.books()
    assert folder.book(digest) is None
