"""A live segment that somebody renames, moves, deletes or truncates takes no later record with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.segment import Journal
from tests.journal.written import records


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
    assert [r["n"] for r in records(folder)] == [1, 2, 3]  # the last second's is written again
    assert journal.replaced == {"removed": 1}


def _move(segment: Path) -> None:
    segment.rename(segment.with_suffix(".jsonl.1"))


def _move_away(segment: Path) -> None:
    (segment.parent.parent / "archive").mkdir()
    segment.rename(segment.parent.parent / "archive" / segment.name)


def _put_another_there(segment: Path) -> None:
    segment.rename(segment.with_suffix(".bak"))
    segment.touch()


@pytest.mark.parametrize(
    ("harm", "fate"),
    [
        (_move, "moved"),
        (_move_away, "moved"),
        (_put_another_there, "moved"),
        (Path.unlink, "removed"),
        (lambda segment: os.truncate(segment, 0), "truncated"),
        (lambda segment: os.truncate(segment, 300), "truncated"),
    ],
)
def test_segment_that_is_taken_away_takes_no_later_record_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None], fate: str
) -> None:
    now_s = [0.0]
    folder = tmp_path / "journal"
    journal = Journal([folder], monotonic_s=lambda: now_s[0])
    assert all(journal.append({"n": n}) for n in range(10))
    now_s[0] += 2.0
    assert journal.append({"n": 10})
    harm(segments(folder)[0])
    for n in range(11, 99):
        now_s[0] += 0.1
        assert journal.append({"n": n})
    journal.close()
    assert {r["n"] for r in records(folder)} >= set(range(11, 99))
    assert journal.replaced == {fate: 1}
    assert f"was {fate} while it was written" in caplog.text


_REMOVED_LIVE = """
import sys, threading
from pathlib import Path
from otel_genai_cost.journal.segment import Journal
journal = Journal([Path(sys.argv[1])])
def write(t):
    for n in range(300):
        journal.append({"t": t, "n": n})
        threading.Event().wait(0.005)
threads = [threading.Thread(target=write, args=(t,)) for t in range(4)]
for thread in threads: thread.start()
print("on", flush=True)
for thread in threads: thread.join()
journal.close()
print(sum(journal.replaced.values()))
"""


def test_threads_lose_nothing_that_comes_after_a_removal(tmp_path: Path) -> None:
    """A real process, and `rm` under it."""
    writer = subprocess.Popen(
        [sys.executable, "-c", _REMOVED_LIVE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(0.5)
    (segment,) = segments(tmp_path)
    before = {r["t"]: r["n"] for r in records(tmp_path)}
    segment.unlink()
    assert int(writer.stdout.read()) == 1
    writer.wait()
    writer.stdout.close()
    for t in range(4):
        found = sorted({r["n"] for r in records(tmp_path) if r["t"] == t})
        assert found[0] <= before[t] + 1
        assert found == list(range(found[0], 300)), "a hole"


def test_process_that_gave_up_its_rights_writes_on(tmp_path: Path) -> None:
    """It may not look into the folder any more, as a server's worker that is started by root."""
    code = (
        "import os, time; from pathlib import Path; from otel_genai_cost.journal.segment import Journal\n"
        f"now = [0.0]; j = Journal([Path({str(tmp_path / 'journal')!r})], monotonic_s=lambda: now[0])\n"
        "j.append({'n': 0}); os.setuid(65534) if os.getuid() == 0 else None\n"
        "for n in range(1, 5): now[0] += 2.0; j.append({'n': n})\n"
        "print(sum(j.replaced.values()), j.not_journalled)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0"]
    assert [r["n"] for r in records(tmp_path / "journal")] == list(range(5))
