"""Child processes for the demo and the end-to-end tests: each writes a log, none outlives its parent's block.

Waiting is by condition: every wait ends as soon as what it waits for is true, and fails at once, with the tail of
the log, when the child it depends on has died.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

__all__ = ["ROOT", "Child", "ChildError", "Children", "children", "instrumented", "wait_until"]

ROOT = Path(__file__).parents[2]
_LOOK_EVERY_S = 0.02
_TAIL_LINES = 25
_R = TypeVar("_R")


class ChildError(RuntimeError):
    """A child ended or did not get ready; the message ends with the tail of its log."""


class Child(NamedTuple):
    """One process, leader of its own process group, and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """All it has written so far."""
        return self.log.read_text("utf-8", "replace")

    def find(self, pattern: str, timeout_s: float = 30) -> str:
        """Wait for a line of its output that matches; gives the pattern's first group, or the whole match."""

        def found() -> str | None:
            match = re.search(pattern, self.output(), re.MULTILINE)
            return match and match.group(match.lastindex or 0)

        return wait_until(found, f"{self.name} to say {pattern!r}", timeout_s, (self,))

    def cpu_s(self) -> float:
        """User and system time of all its threads so far: Linux has a clock for each process."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def stop(self, timeout_s: float = 15) -> int:
        """Ask it to end (SIGTERM), wait for it, and give its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        """Wait for it to end by itself; gives its exit code (negative: the signal). Raises ChildError."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self.failed(f"did not end within {timeout_s:g} s") from None

    def failed(self, what: str) -> ChildError:
        """The error that says what went wrong and shows the end of the log."""
        tail = "\n".join("  | " + line for line in self.output().splitlines()[-_TAIL_LINES:])
        return ChildError(f"{self.name} {what}; the end of {self.log}:\n{tail}")

    def kill(self) -> None:
        """End the whole process group at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            self.process.wait()


class Children(list[Child]):
    """The children started so far, in that order."""

    def start(
        self, name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str]
    ) -> Child:
        """Start a child with exactly this environment, in the repository's root."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self.append(child)
        return child


@contextmanager
def children() -> Generator[Children]:
    """Children that are killed, with whatever they started, on every way out of the block."""
    started = Children()
    try:
        yield started
    finally:
        for child in reversed(started):
            child.kill()


def instrumented(*command: str) -> list[str]:
    """The command under plain `opentelemetry-instrument` of the running environment."""
    return [str(Path(sys.executable).with_name("opentelemetry-instrument")), *command]


def wait_until(
    condition: Callable[[], _R | None], what: str, timeout_s: float, needs: Sequence[Child] = ()
) -> _R:
    """What `condition` gives as soon as that is truthy. Raises ChildError when a child it needs has ended, or when
    time is up."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        ended = [child for child in needs if child.process.poll() is not None]
        if result := condition():
            return result
        if ended:
            raise ended[0].failed(f"ended with {ended[0].process.returncode} ({what})")
        if time.monotonic() > deadline_s:
            raise (
                needs[0].failed(f"was too slow: {what}")
                if needs
                else ChildError(f"waited {timeout_s:g} s for {what}")
            )
        time.sleep(_LOOK_EVERY_S)
