"""Whether this is still the process that it was a moment ago, asked for every call."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["Process", "here", "in_child"]

_MADV_WIPEONFORK: Final = 18
"""Linux 4.14; Python has no name for it."""


class _Mark(Protocol):
    def __getitem__(self, at: int, /) -> int: ...


class Process:
    """The process that made this, as long as `mark[0]` is 1.

    A fork that skips Python's hooks, as uWSGI's does, is only seen by asking. On Linux that costs no call of the
    kernel: `mark` is a page that it wipes in a child.
    """

    __slots__ = ("mark",)

    def __init__(self) -> None:
        self.mark: _Mark = _page() or _Pid()


class _Pid:
    """What `mark` is where there is no such page."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, at: int, /) -> int:
        return int(os.getpid() == self._pid)


def _page() -> mmap.mmap | None:
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_MADV_WIPEONFORK)
    except (AttributeError, OSError, ValueError):
        return None
    page[0] = 1
    return page


_here = Process()


def here() -> Process:
    """This process. In a child whose fork hooks did not run, two threads may each get one that holds: none is ended."""
    global _here
    if not _here.mark[0]:
        _here = Process()
    return _here


def _forked() -> None:
    """In a child, before any thread of its own: its page is wiped, unless an emulator only says so."""
    global _here
    if isinstance(_here.mark, mmap.mmap):
        _here.mark[0] = 0
    _here = Process()


def in_child(function: Callable[[], object]) -> None:
    """Call `function` in every child that is forked. On Windows and in a browser there are none."""
    register = getattr(os, "register_at_fork", None)
    if register is not None:
        register(after_in_child=function)


in_child(_forked)
