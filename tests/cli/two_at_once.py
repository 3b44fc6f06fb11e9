"""Two commands that change one file at once: one is stopped as it puts the file in its place, then comes the other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["two_at_once"]

_COMMAND = """
import os, sys
from otel_genai_cost.cli import main
_, role, target, *arguments = sys.argv

def stop(event, given):
    if role == "first" and event == "os.rename" and os.fspath(given[1]) == target:
        print("puts", flush=True)
        sys.stdin.readline()
    if role == "second" and event == "fcntl.flock":
        if os.path.samestat(os.fstat(given[0]), os.stat(os.path.dirname(target))):
            print("waits", flush=True)

sys.addaudithook(stop)
sys.argv[1:] = arguments
main()
"""


def two_at_once(target: Path, first: Sequence[str], second: Sequence[str]) -> list[int]:
    """Run two command lines, the second while the first has read a file and not replaced it yet. One that does not wait
    for the first is through before that goes on.

    Args:
        target: the file.
        first: arguments of the one that is stopped.
        second: those of the other.

    Returns:
        Their exit codes.
    """
    with _started("first", target, first) as one:
        assert _says(one, "puts")
        with _started("second", target, second) as two:
            _says(two, "waits")
            one.communicate("go on\n", timeout=60)
            two.communicate(timeout=60)
    return [one.returncode, two.returncode]


def _started(role: str, target: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _COMMAND, role, str(target), *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _says(process: subprocess.Popen[str], word: str) -> bool:
    """Whether it says so before it ends."""
    assert process.stdout is not None
    return any(line == f"{word}\n" for line in process.stdout)
