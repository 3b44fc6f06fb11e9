"""A backup and its restoring are killed at every step: a ledger is the one or the other, or is opened by nobody."""

from __future__ import annotations

import os
import shutil
import signal
import tarfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.backup_folder import newest_backup
from otel_genai_cost.ledger.storage.backups import back_up
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.identity import identity_of, promote
from otel_genai_cost.ledger.storage.restoring import restore
from tests.formats.record import booked
from tests.ledger.build import observe

_STEPS = ("replace", "rename", "unlink", "mkdir")
"""What changes a folder; each is made a place to be killed at."""


def _home(folder: Path, calls: int) -> Path:
    journal = Journal([folder / "journal"])
    for n in range(1, calls + 1):
        journal.append(to_record(observe(n, trace=n, start_s=9 * n, end_s=9 * n + 1)))
    journal.close()
    ship(folder, [folder / "journal"], drain=True, retire_segments=True)
    decide(folder, {"type": "note", "calls": calls})
    return folder


def is_killed(step: int, work: Callable[[], object]) -> bool:
    """Do it in a child that is killed before the step of that number; False if it had no more steps."""
    child = os.fork()
    if child == 0:
        _arm(step)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _arm(step: int) -> None:
    numbers = count()

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(numbers) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call

    for name in _STEPS:
        setattr(Path, name, counted(getattr(Path, name)))
    os.fsync = counted(os.fsync)


@pytest.mark.parametrize("is_there", [True, False], ids=["replaced", "lost"])
def test_restoring_that_is_killed_is_done_again(tmp_path: Path, is_there: bool) -> None:
    saved = tmp_path / "saved"
    back_up(_home(tmp_path / "first", 3), saved)
    was = booked(tmp_path / "first")
    kept = _home(tmp_path / "kept", 5)
    is_now = booked(kept)
    if not is_there:
        for path in kept.glob("ledger.sqlite*"):
            path.unlink()
    identity_of(kept)
    epoch = promote(kept).epoch
    seen: set[str] = set()
    step = 0
    for step in count():
        home = tmp_path / f"home-{step}"
        shutil.copytree(kept, home)
        if not is_killed(step, lambda home=home: restore(home, saved, replace=is_there)):  # type: ignore[misc]
            break
        try:
            found = booked(home)
            assert found in (was, is_now)
            seen.add("restored" if found == was else "as it was")
        except LedgerError as error:
            assert "do it again: `genai-cost ledger restore" in str(error) or not is_there
            seen.add("refused")
        made = restore(home, saved, replace=is_there)
        assert (made.seq, booked(home)) == (3, was)
        assert identity_of(home).epoch > epoch  # senders turn to it, whenever the first try ended
        assert not list(home.glob(".restore-*")) and not (home / "restoring.json").exists()
        shutil.rmtree(home)
    assert step > 8 and "refused" in seen
    assert ("as it was" in seen) == is_there


def test_backup_that_is_killed_leaves_the_one_before(tmp_path: Path) -> None:
    home, saved = _home(tmp_path / "home", 3), tmp_path / "backups" / "saved"
    saved.parent.mkdir()
    back_up(home, saved)
    before, step = saved.read_bytes(), 0
    for step in count():
        if not is_killed(step, lambda: back_up(home, saved)):
            break
        assert newest_backup(saved.parent) == saved
        other = tmp_path / f"other-{step}"
        other.mkdir()
        assert restore(other, saved, replace=False).seq == 3
        assert booked(other) == booked(home)
    assert step > 3
    assert saved.read_bytes() != before


def test_newest_backup_is_the_one_that_was_made_last_and_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(LedgerError, match="no backup"):
        newest_backup(folder)
    home = _home(tmp_path / "home", 3)
    back_up(home, folder / "b")
    back_up(home, folder / "a")
    (folder / "z").write_bytes(b"something else")
    (folder / "cut").write_bytes((folder / "b").read_bytes()[:50])
    assert newest_backup(folder) == folder / "a"


def test_backup_whose_decisions_were_changed_is_refused(tmp_path: Path) -> None:
    home, saved, other = _home(tmp_path / "home", 3), tmp_path / "saved", tmp_path / "other"
    back_up(home, saved)
    with tarfile.open(saved) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    [events] = (tmp_path / "unpacked" / "events").glob("*.jsonl")
    events.write_bytes(events.read_bytes().replace(b'"calls":3', b'"calls":4'))
    with tarfile.open(saved, "w:gz") as archive:
        for path in filter(Path.is_file, sorted((tmp_path / "unpacked").rglob("*"))):
            archive.add(path, str(path.relative_to(tmp_path / "unpacked")))
    other.mkdir()
    with pytest.raises(LedgerError, match="what people decided is not what was saved"):
        restore(other, saved, replace=False)
    assert not (other / LEDGER_FILE).exists()
