"""A forked child is told from its parent, whether Python's hooks ran or not."""

from __future__ import annotations

import ctypes
import mmap
import os

import pytest

from otel_genai_cost import forks
from otel_genai_cost.forks import Process, here


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


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_that_python_sees_is_noticed_where_the_kernel_only_says_that_it_wipes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forks, "_MADV_WIPEONFORK", mmap.MADV_NORMAL)
    parent = Process()
    monkeypatch.setattr(forks, "_here", parent)
    pid = os.fork()
    if pid == 0:
        os._exit(parent.mark[0] * 10 + here().mark[0])
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert parent.mark[0] == 1


def test_a_child_is_a_process_of_its_own() -> None:
    parent = here()
    pid = ctypes.CDLL(None).fork()
    if pid == 0:
        child = here()
        os._exit(child.mark[0] if child is not parent and child is here() else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert here() is parent
