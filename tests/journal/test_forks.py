"""A forked child is told from its parent, whether Python's hooks ran or not."""

from __future__ import annotations

import ctypes
import mmap
import os

import pytest

from otel_genai_cost.journal.forks import Process


def _child_says(process: Process) -> int:
    """What the mark says in a child of a fork that Python does not see, as uWSGI makes one."""
    pid = ctypes.CDLL(None).fork()
    if pid == 0:
        os._exit(process.mark[0])
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("has_page", [True, False])
def test_the_mark_is_gone_in_a_child_only(monkeypatch: pytest.MonkeyPatch, has_page: bool) -> None:
    if not has_page:
        monkeypatch.delattr(mmap, "MAP_ANONYMOUS")
    process = Process()
    assert (type(process.mark) is mmap.mmap) == has_page
    assert (_child_says(process), process.mark[0]) == (0, 1)
