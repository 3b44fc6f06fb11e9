"""Programs that are asked to end, or killed, while they make calls, at each durability, beside a ledger and an agent:
what they made, what they were promised, and what is charged. At `pod` and `node` a program's folder goes with it, as
that of a pod does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.forwarding.daemon import Forwarding
from otel_genai_cost.forwarding.destination import Destination, parse_address
from tests.demo.processes import ROOT, Child, Children, children, wait_until
from tests.demo.stage import clean_environment
from tests.faults.booked import Booked, booked
from tests.faults.row import Row
from tests.faults.said import spoken
from tests.queues.brokers import free_port

__all__ = ["Stage", "Start", "rows_of"]

_ENDS_WITHIN_S: Final = 120.0
_LEVELS: Final = ("process", "pod", "node")
_ENDS: Final = {"SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
_CALLS_MIN: Final = 30
_PROMISED_MIN: Final = 2
_COMMAND: Final = str(Path(sys.executable).with_name("genai-cost"))

Start = Callable[[Children, Path, dict[str, str]], tuple[Child, AbstractContextManager[object]]]
"""Starts a program in a folder, with an environment: what was started, and what asks it for calls while it is open."""


class Run(NamedTuple):
    """A program at a level that ended in a way, and the file in which it said what it did."""

    name: str
    level: str
    end: str
    said: Path


class Stage:
    """A ledger and an agent for all of them.

    Args:
        folder: where everything is.
        started: the processes.
        path: the folders of programs that come before those of the machine.
    """

    def __init__(self, folder: Path, started: Children, *path: Path) -> None:
        self.folder, self.home, self._started = folder, folder / "ledger", started
        self._at = {"ledger": free_port(), "agent": free_port()}
        self._environment = {
            **clean_environment(),
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PATH": os.pathsep.join((*map(str, path), os.environ["PATH"])),
            "OTEL_GENAI_COST_REGISTRY": str(folder / "registry"),
            "OTEL_GENAI_COST_TENANT": "baggage:tenant.id",
            **{f"OTEL_{one}_EXPORTER": "none" for one in ("TRACES", "METRICS", "LOGS")},
        }
        self._serve("ledger", "ledger", "serve", "--ledger", str(self.home))
        self._serve(
            "agent", "agent", "--to", self._url("ledger"), "--folder", str(folder / "agent")
        )

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._at[name]}"

    def _serve(self, name: str, *command: str) -> None:
        listen = ("--listen", f"127.0.0.1:{self._at[name]}")
        log = self.folder / f"{name}.log"
        child = self._started.start(name, [_COMMAND, *command, *listen], log, self._environment)
        child.find(rf"journals at .*:{self._at[name]}")

    def run(self, name: str, level: str, end: str, start: Start) -> Run:
        """Start it, let it work until there are promises, and end it while it works."""
        words = ("".join(each for each in name if each.isalnum() or each in "-_."), level, end)
        folder = self.folder / "-".join(words)
        folder.mkdir()
        said = folder / "said"
        sent = {
            "OTEL_GENAI_COST_DURABILITY": level,
            "OTEL_GENAI_COST_SHIP_TO": "" if level == "process" else self._url("agent"),
            "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
            "FAULTS_SAID": str(said),
        }
        with children() as own:
            child, load = start(own, folder, {**self._environment, **sent})
            with load:
                wait_until(lambda: _has_promises(said), "promises", _ENDS_WITHIN_S, (child,))
                _end(child, _ENDS[end])
        if level != "process":
            shutil.rmtree(folder / "journal")
        return Run(name, level, end, said)

    def settle(self) -> Booked:
        """Send what journals still have, as a sidecar does, let all of it be booked, and count."""
        address = parse_address(self._url("ledger"))
        assert address is not None
        journals = sorted(self.folder.glob("*/journal"))
        agents = [one for one in journals if one.parent.name == "agent"]
        sent = Forwarding(lambda: set(journals) - set(agents), Destination(address))
        assert sent.drain(_ENDS_WITHIN_S)
        sent.stop()
        for one in reversed(self._started):
            one.stop(60)
        drain = [_COMMAND, "ship", "--drain", "--ledger", str(self.home)]
        subprocess.run(drain, check=True, capture_output=True, timeout=_ENDS_WITHIN_S)
        return booked(self.home)


def _end(child: Child, how: signal.Signals) -> None:
    """Asked, its first process passes it on; killed, all of them are, as those of a pod."""
    if how is signal.SIGTERM:
        child.stop(_ENDS_WITHIN_S)
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()


def _has_promises(said: Path) -> bool:
    made, promised = spoken(said)
    return len(made) >= _CALLS_MIN and len(promised) >= _PROMISED_MIN


def rows_of(stage: Stage, starts: Mapping[str, Start]) -> Iterator[Row]:
    """A row for each program and each way to end, over all levels, which run at once.

    Args:
        stage: of all of them.
        starts: programs, by their names.
    """
    began_s = time.monotonic()
    done: list[tuple[list[Run], float]] = []
    with ThreadPoolExecutor(len(_LEVELS)) as pool:
        for name, start in starts.items():
            for end in _ENDS:
                runs = [pool.submit(stage.run, name, one, end, start) for one in _LEVELS]
                done.append(([one.result() for one in runs], time.monotonic() - began_s))
                began_s = time.monotonic()
    counted = stage.settle()
    for ended, seconds in done:
        yield _row_of(ended, counted, seconds)


def _row_of(runs: Sequence[Run], counted: Booked, seconds: float) -> Row:
    """The row of a program that ended in one way, over the levels.

    Args:
        runs: one a level.
        counted: what was booked of all that ran.
        seconds: how long it took.
    """
    told: list[str] = []
    held, charged = not counted.doubled, counted.spans | counted.responses
    for one in runs:
        made, promised = spoken(one.said)
        may_go = made - promised if one.end == "SIGKILL" and one.level != "process" else set()
        lost = made - may_go - charged
        told.append(
            f"{one.level}: {len(made)} made, {len(promised)} promised, {len(made & charged)} charged, "
            f"{len(lost)} lost, {len(may_go - charged)} gone of {len(may_go)} that may"
        )
        held = held and not lost
    return Row(
        f"{runs[0].name}: {runs[0].end} while it serves",
        "0 lost, 0 doubled",
        f"{'; '.join(told)}; {counted.doubled} doubled",
        held,
        seconds,
    )
