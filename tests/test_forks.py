"""A forked child is told from its parent, whether Python's hooks ran or not."""

from __future__ import annotations

import mmap
import os

import pytest

from otel_genai_cost import forks
from otel_genai_cost.forks import Process, here
from tests.forking import printed_by


@pytest.mark.parametrize("has_page", [True, False])
def test_the_mark_is_gone_in_a_child_only(has_page: bool) -> None:
    program = f"""
import mmap
{"" if has_page else "del mmap.MAP_ANONYMOUS"}
from otel_genai_cost.forks import Process
process = Process()
print(type(process.mark) is mmap.mmap, in_child(lambda: process.mark[0]), process.mark[0])
"""
    assert printed_by(program) == [str(has_page), "0", "1"]


def test_a_child_is_a_process_of_its_own() -> None:
    program = """
from otel_genai_cost.forks import here
parent = here()

def says():
    child = here()
    return child.mark[0] if child is not parent and child is here() else 2

print(in_child(says), here() is parent)
"""
    assert printed_by(program) == ["1", "True"]


def test_threads_that_find_a_fork_together_end_nobodys_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[Process] = []

    class Wiped:
        looks = 0

        def __getitem__(self, at: int, /) -> int:
            self.looks += 1
            if self.looks == 1:  # another thread comes between a look and what follows from it
                found.append(here())
            return 0

    left = Process()
    left.mark = Wiped()
    monkeypatch.setattr(forks, "_here", left)
    found.append(here())
    assert [one.mark[0] for one in found] == [1, 1]


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
