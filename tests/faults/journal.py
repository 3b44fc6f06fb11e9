"""A journal's folder that is too small, with real writers, real ledgers and real kills."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.repair import inspect
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.keeping import retired
from otel_genai_cost.ledger.storage.store import Ledger
from tests.demo.processes import Child, Children, children, instrumented, wait_until
from tests.demo.stage import clean_environment
from tests.faults.row import Row

__all__ = ["rows"]

_LIMIT_BYTES: Final = 1 << 20
_ENDS_WITHIN_S: Final = 240.0
_COMMAND: Final = str(Path(sys.executable).with_name("genai-cost"))


class _Stage:
    """A home, the environment of its processes, and what writers said."""

    def __init__(self, folder: Path, started: Children, **settings: str) -> None:
        self.folder, self.home, self.said = folder, folder / "home", folder / "said"
        self.journal = self.home / "journal"
        self._started = started
        self._environment = {
            **clean_environment(),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_GENAI_COST_LEDGER": str(self.home),
            "OTEL_GENAI_COST_REGISTRY": str(folder / "registry"),
            "OTEL_GENAI_COST_TENANT": "baggage:tenant.id",
            "OTEL_GENAI_COST_JOURNAL_LIMIT_MIB": "1",
            **settings,
        }
        self.said.touch()

    def writer(self, count: int) -> Child:
        """An application under `opentelemetry-instrument` that makes so many calls."""
        command = [sys.executable, "-m", "tests.faults.journal_program", str(self.said), str(count)]
        return self._start("writer", instrumented(*command))

    def shipper(self) -> Child:
        """`genai-cost ship --follow`."""
        return self._start("ship", [_COMMAND, "ship", "--follow"])

    def _start(self, name: str, command: list[str]) -> Child:
        log = self.folder / f"{name}-{len(self._started)}.log"
        return self._started.start(name, command, log, self._environment)

    def drain(self) -> None:
        """Everything that is in the journal now is booked."""
        subprocess.run(
            [_COMMAND, "ship", "--drain"],
            env=self._environment,
            check=True,
            capture_output=True,
            timeout=_ENDS_WITHIN_S,
        )

    def held_bytes(self) -> int:
        """What the folder's segments come to."""
        total = 0
        for path in segments(self.journal):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def spoken(self) -> set[str]:
        """The calls whose spans ended."""
        return set(self.said.read_text().split())

    def outcome(self) -> _Outcome:
        """What the ledger makes of it."""
        with closing(sqlite3.connect(self.home / LEDGER_FILE)) as db:
            ids = db.execute(
                "SELECT lower(hex(span_id)), lower(hex(charge_id)) FROM observation"
            ).fetchall()
        ledger = Ledger(self.home / LEDGER_FILE, readonly=True)
        calls = dict[str, int]()
        for entry in ledger.entries:
            calls[entry.charge_id] = calls.get(entry.charge_id, 0) + entry.calls
        ledger.close()
        charged = {span_id for span_id, charge_id in ids if calls.get(charge_id)}
        lost = self.spoken() - charged
        return _Outcome(len(calls), len(lost), sum(one != 1 for one in calls.values()))


class _Outcome(NamedTuple):
    """Charges, calls that were made and are in none, and charges that are not one."""

    charges: int
    lost: int
    doubled: int


@contextmanager
def _stage(**settings: str) -> Generator[_Stage]:
    with tempfile.TemporaryDirectory(prefix="journal-") as folder, children() as started:
        yield _Stage(Path(folder), started, **settings)


class _Highest:
    """The most that a folder ever held, looked at all the time."""

    def __init__(self, look: Callable[[], int]) -> None:
        self._look, self._stop, self.found = look, threading.Event(), 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Highest:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self.found = max(self.found, self._look())


def rows(short: bool) -> Iterator[Row]:
    """The rows of the journal's bound."""
    yield _followed(short)
    yield _not_followed(short)
    yield _blocked(short)
    yield from _full_disk()


def _killed(stage: _Stage, processes: list[Child], kills: int) -> list[Child]:
    """Kill some of them at random points and put another in each one's place."""
    draw = random.Random(7)
    for _ in range(kills):
        time.sleep(draw.uniform(0.5, 1.5))
        at = draw.randrange(len(processes))
        one = processes[at]
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()
            processes[at] = stage.shipper() if one.name == "ship" else stage.writer(300)
    return processes


def _finish(processes: list[Child]) -> None:
    for one in processes:
        if one.name == "writer":
            one.wait(_ENDS_WITHIN_S)
    for one in processes:
        if one.name == "ship":
            one.process.terminate()
            one.wait(_ENDS_WITHIN_S)


def _followed(short: bool) -> Row:
    """Writers and a ledger that follows, all of them killed; each call waits for room if it must."""
    began_s, count = time.monotonic(), 1_000 if short else 6_000
    waits = {"OTEL_GENAI_COST_JOURNAL_FULL": "block", "OTEL_GENAI_COST_JOURNAL_BLOCK_S": "60"}
    with _stage(**waits) as stage, _Highest(stage.held_bytes) as highest:
        processes = [stage.shipper(), *(stage.writer(count) for _ in range(3))]
        wait_until(stage.spoken, "a first call", 60, processes)
        _finish(_killed(stage, processes, 3 if short else 12))
        stage.drain()
        done, went = stage.outcome(), retired(stage.home)
    held = not done.lost and not done.doubled and went > 0 and highest.found < 1.1 * _LIMIT_BYTES
    return Row(
        "3 writers and a ledger that follows, 1 MiB, random kill -9 of all of them",
        "0 lost, 0 doubled, segments that the ledger has make room, never more than 1.1 MiB",
        f"{done.charges} charged, {done.lost} lost, {done.doubled} doubled, {went} segments gone, "
        f"at most {highest.found / 2**20:.2f} MiB",
        held,
        time.monotonic() - began_s,
    )


def _not_followed(short: bool) -> Row:
    """Writers that nobody reads fill the folder and are refused; what is lost is proved."""
    began_s, count = time.monotonic(), 3_000 if short else 9_000
    with _stage() as stage, _Highest(stage.held_bytes) as highest:
        writers = [stage.writer(count) for _ in range(2)]
        for one in writers:
            one.wait(_ENDS_WITHIN_S)
        said = sum("OTEL_GENAI_COST_JOURNAL_LIMIT_MIB" in one.output() for one in writers)
        gaps = sum(state.gaps for state in inspect(stage.journal))
        stage.drain()
        done = stage.outcome()
    held = done.lost == gaps > 0 and not done.doubled and said == 2
    return Row(
        "2 writers, 1 MiB, no ledger until they have ended",
        "each refusal said; what is lost is proved exactly, 0 doubled, never more than 1.1 MiB",
        f"{done.charges} charged, {done.lost} lost, {gaps} proved, {done.doubled} doubled, "
        f"at most {highest.found / 2**20:.2f} MiB",
        held and highest.found < 1.1 * _LIMIT_BYTES,
        time.monotonic() - began_s,
    )


def _blocked(short: bool) -> Row:
    """Told to wait, writers stand still until a ledger comes, and go on."""
    began_s, count = time.monotonic(), 1_500 if short else 5_000
    waits = {"OTEL_GENAI_COST_JOURNAL_FULL": "block", "OTEL_GENAI_COST_JOURNAL_BLOCK_S": "60"}
    with _stage(**waits) as stage:
        writers = [stage.writer(count) for _ in range(2)]

        def stand_still() -> bool:
            before = len(stage.spoken())
            time.sleep(2.0)
            return 1_000 < before == len(stage.spoken())

        wait_until(stand_still, "that both stand still", 120, writers)
        stood_at = len(stage.spoken())
        shipper = stage.shipper()
        _finish([shipper, *writers])
        stage.drain()
        done = stage.outcome()
    held = not done.lost and not done.doubled and done.charges == 2 * count
    return Row(
        "2 writers told to block, 1 MiB, a ledger that comes late",
        "they stand still until then; 0 lost, 0 doubled",
        f"stood at {stood_at} of {2 * count}; {done.charges} charged, {done.lost} lost, {done.doubled} doubled",
        held,
        time.monotonic() - began_s,
    )


def _full_disk() -> Iterator[Row]:
    """A disk that is smaller than the bound: as without one; mounting it takes root."""
    began_s = time.monotonic()
    with _stage() as stage:
        stage.journal.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(stage.journal)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            return
        try:
            writer = stage.writer(2_000)
            writer.wait(_ENDS_WITHIN_S)
            stage.drain()
            done = stage.outcome()
        finally:
            subprocess.run(["umount", "-l", str(stage.journal)], check=True)
        said = "goes to" in writer.output()
    yield Row(
        "a writer on a disk of 512 KiB, below the bound",
        "it falls back to the next folder and says so; 0 lost, 0 doubled",
        f"{done.charges} charged, {done.lost} lost, {done.doubled} doubled",
        said and not done.lost and not done.doubled,
        time.monotonic() - began_s,
    )
