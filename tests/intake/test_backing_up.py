"""Backups on a schedule: as many as are kept, and nothing of one that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from otel_genai_cost.intake.backing_up import BackingUp, Schedule
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.ledger.storage import backups
from otel_genai_cost.ledger.storage.backup_folder import backups_in, newest_backup
from otel_genai_cost.ledger.storage.backups import back_up
from otel_genai_cost.ledger.storage.identity import identity_of, promote
from otel_genai_cost.ledger.storage.standby import Standby
from tests.intake.served import journalled

_KILLED = """
import os, signal, sys
from pathlib import Path
from otel_genai_cost.intake.backing_up import BackingUp, Schedule
from otel_genai_cost.ledger.storage import backups

backups._digests = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
BackingUp(Path(sys.argv[1]), Schedule(Path(sys.argv[2]), 60, 2))._back_up()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ledger with a call."""
    made = tmp_path / "home"
    journalled(made / "journal", 1)
    ship(made, [made / "journal"], drain=True)
    identity_of(made)
    (tmp_path / "backups").mkdir()
    return made


def _back_up(home: Path, folder: Path, times: int) -> None:
    for _ in range(times):
        BackingUp(home, Schedule(folder, 60, 2))._back_up()


def _epochs(folder: Path) -> list[int]:
    return [one.identity.epoch for one in backups_in(folder).values() if one.identity]


def test_those_of_earlier_lives_are_not_kept_for_ever(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    by_hand = folder / "before-the-upgrade.tar.gz"
    back_up(home, by_hand)
    _back_up(home, folder, 3)
    assert sorted(_epochs(folder)) == [1, 1, 1]  # the one by hand is somebody's
    promote(home)
    _back_up(home, folder, 1)
    assert sorted(_epochs(folder)) == [1, 1, 2]
    _back_up(home, folder, 2)
    assert sorted(_epochs(folder)) == [1, 2, 2] and by_hand.exists()


def test_what_is_left_of_one_that_was_killed_goes_and_no_more(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    of_another = folder / ".ledger-in-the-making"
    of_another.mkdir()
    done = subprocess.run([sys.executable, "-c", _KILLED, str(home), str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(folder.glob(".*/copy/ledger.sqlite"))) == 1
    _back_up(home, folder, 1)
    assert list(folder.glob(".*")) == [of_another]
    assert len(backups_in(folder)) == 1


def test_the_newest_is_what_was_made_last_whatever_the_clock_says(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    _back_up(home, folder, 2)
    before = set(folder.iterdir())
    monkeypatch.setattr(backups, "now_us", lambda: 1_000_000)  # it was put back
    _back_up(home, folder, 1)
    (made,) = set(folder.iterdir()) - before
    (tmp_path / "copy").mkdir()
    assert newest_backup(folder) == made
    assert Standby(tmp_path / "copy", folder).follow() == backups_in(folder)[made].backup


def test_no_clock_makes_a_backup_young(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backing = BackingUp(home, Schedule(tmp_path / "backups", 60, 2))
    backing._back_up()
    backing._made_s = 100.0
    for now_s in ("0", "9e9"):
        with monkeypatch.context() as patched:
            patched.setattr(time, "monotonic", lambda: 7_300.0)
            patched.setattr(time, "time", partial(float, now_s))
            said = "".join(backing.figures())
        assert "\ngenai_cost_ledger_backup_age_seconds 7200\n" in said
