"""Instructions of a part of a program, counted by callgrind: they don't vary where times do by a factor of two.

The program loads `counter.so` and switches counting on for the part that counts. Where valgrind, its header or a C
compiler is missing nothing is counted, and whoever asks says so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from tests.demo.processes import ROOT

__all__ = ["KEPT", "counter", "million_instructions", "run_program"]

KEPT: Final = ROOT / "build" / "bench"
"""What is made once: environments, and the counter."""

_SOURCE: Final = Path(__file__).with_name("counter.c")
_VALGRIND: Final = ("--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null")
_COLLECTED: Final = re.compile(r"Collected : (\d+)")


@cache
def counter() -> Path | None:
    """The library that starts and stops counting; None without valgrind, its header or a compiler."""
    if shutil.which("valgrind") is None or shutil.which("cc") is None:
        return None
    KEPT.mkdir(parents=True, exist_ok=True)
    made = KEPT / "counter.so"
    compiled = subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "-o", str(made), str(_SOURCE)],
        capture_output=True,
        check=False,
    )
    return made if compiled.returncode == 0 else None


def run_program(
    command: Sequence[str], folder: Path, counted_by: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a clean environment; its last argument is the counter, if there is one.

    Args:
        command: The interpreter, the program and its arguments.
        folder: Where it runs, and what is home to it.
        counted_by: The counter; None to run without valgrind.

    Raises:
        RuntimeError: if the program fails.
    """
    if counted_by is not None:
        command = ["valgrind", *_VALGRIND, *command, str(counted_by)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONHASHSEED": "0"},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-4000:]}")
    return done


def million_instructions(done: subprocess.CompletedProcess[str]) -> float:
    """What was counted in a program that ran with the counter.

    Raises:
        RuntimeError: if callgrind counted nothing.
    """
    counted = _COLLECTED.search(done.stderr)
    if counted is None:
        raise RuntimeError(f"callgrind says nothing of what it counted:\n{done.stderr}")
    return int(counted[1]) / 1e6
