"""A ledger whose machine goes while all send, and the one that stood by in its place."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.demo.processes import Child, wait_until
from tests.faults.fleet_stage import ENDS_WITHIN_S, Fleet, fleet, row_of, spoken
from tests.faults.row import Row

__all__ = ["rows"]

_COMMAND: Final = str(Path(sys.executable).with_name("genai-cost"))
_BACKUP_EVERY_S: Final = 1.0


def rows(short: bool) -> Iterator[Row]:
    """The rows of a standby."""
    yield _promoted(short)


def _promoted(short: bool) -> Row:
    """The ledger is killed between two backups and what follows them is promoted; the old one comes back each time."""
    began_s = time.monotonic()
    pods, times = (2, 1) if short else (10, 3)
    is_refused = True
    with fleet("node", pods) as one:
        backups = one.folder / "backups"
        backups.mkdir()
        one.start()
        one.promise(one.pods)
        for n in range(times):
            before, home = one.home, one.folder / f"standby-{n}"
            with _backed_up(before, backups):
                standby = _following(one, backups, home)
                time.sleep(3 * _BACKUP_EVERY_S)
            time.sleep(1)  # calls that no backup has
            one.kill_server("ledger")
            _run("promote", "--ledger", str(home))
            one.home, one.servers["ledger"] = home, standby
            is_refused &= _is_refused(before, backups)
            _promise_more(one)
        done = one.settle()
    return row_of(
        f"node: {pods} applications, 2 agents, a ledger that is backed up each second, killed, and its standby "
        f"promoted; {times} time(s)",
        "0 lost, 0 doubled; the old one is refused",
        done,
        began_s,
        is_refused,
    )


@contextmanager
def _backed_up(home: Path, backups: Path) -> Generator[None]:
    """Back up on a schedule, beside whoever writes."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(_BACKUP_EVERY_S):
            _run("backup", str(backups), "--ledger", str(home))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _following(one: Fleet, backups: Path, home: Path) -> Child:
    child = one.begin(
        "standby",
        *("ledger", "standby", str(backups), "--every", "0.5"),
        *("--ledger", str(home), "--listen", f"127.0.0.1:{one.port}"),
    )
    child.find("ready: ")
    return child


def _run(*words: str) -> str:
    done = subprocess.run(
        [_COMMAND, "ledger", *words], capture_output=True, text=True, timeout=120, check=False
    )
    return f"{done.returncode} {done.stderr}"


def _is_refused(old: Path, backups: Path) -> bool:
    """Whether the old ledger may not put its backups among those of the new one, and is told what to do."""
    said = _run("backup", str(backups), "--ledger", str(old))
    return said.startswith("2 ") and "has taken the place" in said and "ledger standby" in said


def _promise_more(one: Fleet) -> None:
    """Wait until each application is promised calls that it made since: its agent has found what is lacking."""
    before = [len(spoken(pod.said)[0]) for pod in one.pods]
    wait_until(
        lambda: all(
            len(spoken(pod.said)[1]) > many for pod, many in zip(one.pods, before, strict=True)
        ),
        "a promise of the new ledger",
        ENDS_WITHIN_S,
        tuple(one.servers.values()),
    )
