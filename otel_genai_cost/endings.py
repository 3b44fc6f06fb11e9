"""What is done when a process ends: by Python, or just before a signal that a server lets end it ends it.

Python calls nothing when a signal ends the process. A server that catches the signal, winds up, and then has it do what
it would have done is the last to know; who knows that server calls `end`.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable

__all__ = ["at_end", "end"]

_at_end: list[Callable[[], object]] = []


def at_end(function: Callable[[], object]) -> None:
    """Call a function when the process ends. It may be called twice, by `end` and by Python: a signal that should have
    ended the process may be ignored, as the first process of a container ignores it.

    Args:
        function: is called before those that are there already.
    """
    _at_end.append(function)
    atexit.register(function)


def end() -> None:
    """The process is about to be ended by a signal: do what is to be done."""
    for function in reversed(_at_end):
        function()
