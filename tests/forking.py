"""Forks that skip Python's hooks, as uWSGI makes them."""

from __future__ import annotations

import subprocess
import sys

__all__ = ["printed_by"]

_FORK = """
import ctypes, os

def in_child(says):
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        os._exit(says())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def printed_by(program: str) -> list[str]:
    """The words that a program prints, which can call `in_child(says)` for a number that a forked child says. It runs
    in a process with a single thread: in such a child, no other would ever give back the interpreter's lock."""
    done = subprocess.run(
        [sys.executable, "-c", _FORK + program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
