"""Journals on their way from applications over an agent to a ledger, with real processes and real kills."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.intake.unshipped import left_in
from tests.demo.processes import Child, Children, children, instrumented, wait_until
from tests.demo.stage import clean_environment
from tests.faults.booked import booked
from tests.faults.row import Row
from tests.queues.brokers import free_port

__all__ = ["rows"]

_ENDS_WITHIN_S: Final = 240.0
_COMMAND: Final = str(Path(sys.executable).with_name("genai-cost"))


class _Outcome(NamedTuple):
    """Charges, calls that were made and are in none, charges that are not one, and what is missing by its numbers."""

    charges: int
    lost: int
    doubled: int
    gaps: int


class _Stage:
    """A ledger, an agent and applications, each in a folder of its own."""

    def __init__(
        self, folder: Path, started: Children, durability: str, reserve_mib: int = 128
    ) -> None:
        self.folder, self.home, self.said = folder, folder / "ledger", folder / "said"
        self.pod = folder / "pod"
        self._started, self._reserve_mib = started, reserve_mib
        self._ports = {"ledger": free_port(), "agent": free_port()}
        self._environment = {
            **clean_environment(),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_GENAI_COST_REGISTRY": str(folder / "registry"),
            "OTEL_GENAI_COST_TENANT": "baggage:tenant.id",
        }
        self._sends = {
            "OTEL_GENAI_COST_JOURNAL": str(self.pod),
            "OTEL_GENAI_COST_SHIP_TO": self._at("agent"),
            "OTEL_GENAI_COST_DURABILITY": durability,
        }
        self.said.touch()
        self.running = {name: self._serve(name) for name in ("ledger", "agent")}

    def _at(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def _serve(self, name: str) -> Child:
        own = {
            "ledger": [
                *("ledger", "serve", "--ledger", str(self.home)),
                *("--reserve-mib", str(self._reserve_mib)),
            ],
            "agent": ["agent", "--to", self._at("ledger"), "--folder", str(self.folder / "agent")],
        }
        listen = f"127.0.0.1:{self._ports[name]}"
        return self._start(name, [_COMMAND, *own[name], "--listen", listen], self._environment)

    def writer(self, count: int, pause_ms: int) -> Child:
        """An application that sends what it journals, and makes so many calls."""
        numbers = (str(count), str(pause_ms))
        program = (sys.executable, "-m", "tests.faults.journal_program", str(self.said), *numbers)
        return self._start("writer", instrumented(*program), {**self._environment, **self._sends})

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> Child:
        log = self.folder / f"{name}-{len(self._started)}.log"
        return self._started.start(name, command, log, environment)

    def kill(self, name: str) -> None:
        """Kill the ledger or the agent, and put another in its place."""
        one = self.running[name]
        os.kill(one.process.pid, signal.SIGKILL)
        one.process.wait()
        self.running[name] = self._serve(name)

    def spoken(self) -> set[str]:
        """The calls whose spans ended."""
        return set(self.said.read_text().split())

    def settle(self) -> None:
        """Wait until nothing is on its way any more, and everything is booked."""
        left = self._start(
            "left",
            [_COMMAND, "agent", "--to", self._at("agent"), "--journal", str(self.pod)],
            self._environment,
        )
        left.find("on to http")
        wait_until(
            lambda: not list(left_in([self.pod])), "that the pod is left", _ENDS_WITHIN_S, (left,)
        )
        left.stop(30)
        needs = (self.running["agent"], self.running["ledger"])
        wait_until(
            lambda: self._figure("agent", "genai_cost_unshipped_bytes") == 0,
            "that all has gone on",
            _ENDS_WITHIN_S,
            needs,
        )
        for one in (*needs,):
            one.stop(60)
        subprocess.run(
            [_COMMAND, "ship", "--drain", "--ledger", str(self.home)],
            env=self._environment,
            check=True,
            capture_output=True,
            timeout=_ENDS_WITHIN_S,
        )

    def is_refusing(self) -> bool:
        """Whether the ledger has said that its disk is full."""
        return bool(self._figure("ledger", 'genai_cost_receiver_requests_total{answer="FULL"}'))

    def _figure(self, name: str, metric: str) -> float | None:
        with suppress(OSError), urllib.request.urlopen(f"{self._at(name)}/metrics") as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{metric} "):
                    return float(line.split()[1])
        return None

    def outcome(self) -> _Outcome:
        """What the ledger makes of it."""
        done = booked(self.home)
        lost = self.spoken() - done.spans
        return _Outcome(done.charges, len(lost), done.doubled, done.gaps)


@contextmanager
def _stage(durability: str) -> Generator[_Stage]:
    with tempfile.TemporaryDirectory(prefix="shipping-") as folder, children() as started:
        yield _Stage(Path(folder), started, durability)


def rows(short: bool) -> Iterator[Row]:
    """The rows of journals on their way."""
    yield _killed(("ledger", "agent"), 5 if short else 50, short)
    yield _killed(("ledger",), 5 if short else 200, short)
    yield from _full_disk(short)


def _killed(which: tuple[str, ...], kills: int, short: bool) -> Row:
    """The ledger, or the agent as well, are killed while applications send."""
    began_s = time.monotonic()
    writers, count, pause_ms = (3, 150, 20) if short else (8, 3_000, 100)
    draw = random.Random(11)
    with _stage("node") as stage:
        sending = [stage.writer(count, pause_ms) for _ in range(writers)]
        wait_until(stage.spoken, "a first call", 60, sending)
        for _ in range(kills):
            time.sleep(draw.uniform(0.2, 1.5))
            stage.kill(draw.choice(which))
        for one in sending:
            one.wait(_ENDS_WITHIN_S)
        stage.settle()
        done = stage.outcome()
    return Row(
        f"{writers} applications, an agent and a ledger; {kills} times kill -9 of the {' or the '.join(which)}",
        "0 lost, 0 doubled, 0 missing",
        f"{done.charges} charged, {done.lost} lost, {done.doubled} doubled, {done.gaps} missing",
        done == (writers * count, 0, 0, 0),
        time.monotonic() - began_s,
    )


def _full_disk(short: bool) -> Iterator[Row]:
    """The ledger's disk is full while applications send, and larger again later; mounting it takes root."""
    began_s = time.monotonic()
    writers, count = (2, 400) if short else (4, 2_000)
    with tempfile.TemporaryDirectory(prefix="shipping-") as folder, children() as started:
        home = Path(folder) / "ledger"
        home.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(home)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            return
        try:
            stage = _Stage(Path(folder), started, "pod", reserve_mib=1)
            ballast = home / "ballast"
            ballast.write_bytes(b"x" * (1 << 20))
            sending = [stage.writer(count, 0) for _ in range(writers)]
            for one in sending:
                one.wait(_ENDS_WITHIN_S)
            wait_until(stage.is_refusing, "that the disk is full", 60, (stage.running["ledger"],))
            larger = ["mount", "-o", "remount,size=512m", str(home)]
            subprocess.run(larger, check=True)
            stage.settle()
            done = stage.outcome()
        finally:
            for one in started:
                one.kill()
            subprocess.run(["umount", "-l", str(home)], check=True)
    yield Row(
        f"{writers} applications, an agent, and a ledger whose disk is full, then larger",
        "refused until then; 0 lost, 0 doubled, 0 missing",
        f"{done.charges} charged, {done.lost} lost, {done.doubled} doubled, {done.gaps} missing",
        done == (writers * count, 0, 0, 0),
        time.monotonic() - began_s,
    )
