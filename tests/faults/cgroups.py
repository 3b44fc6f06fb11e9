"""A control group of its own for what runs in a pod: bounded in memory and processes, frozen and killed as one.

Of version 1, as separate hierarchies; where there are none, or they may not be written, nothing is set apart.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Final

__all__ = ["Group", "may_have_groups"]

_ROOT: Final = Path("/sys/fs/cgroup")
_KINDS: Final = ("pids", "memory", "freezer")
_PROCESSES: Final = "cgroup.procs"
_PIDS_MAX: Final = 256
_MEMORY_MAX: Final = 1 << 30


class Group:
    """A group.

    Args:
        name: of its own in the machine.

    Raises:
        OSError: if it cannot be made.
    """

    def __init__(self, name: str) -> None:
        self._places = {kind: _ROOT / kind / name for kind in _KINDS}
        for place in self._places.values():
            place.mkdir(exist_ok=True)
        (self._places["pids"] / "pids.max").write_text(str(_PIDS_MAX))
        (self._places["memory"] / "memory.limit_in_bytes").write_text(str(_MEMORY_MAX))

    def join(self) -> None:
        """This process, and what it starts, belongs to the group from now on."""
        for place in self._places.values():
            (place / _PROCESSES).write_text(str(os.getpid()))

    def processes(self) -> list[int]:
        """Who belongs to it."""
        return list(map(int, (self._places["pids"] / _PROCESSES).read_text().split()))

    def freeze(self) -> None:
        """All of it stops where it is, as a machine does that is out of time."""
        state = self._places["freezer"] / "freezer.state"
        while state.read_text().strip() != "FROZEN":
            state.write_text("FROZEN")
            sleep(0.01)

    def kill(self) -> None:
        """All of it ends at once, frozen or not."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        (self._places["freezer"] / "freezer.state").write_text("THAWED")

    def remove(self) -> None:
        """Take it away, once all of it has ended."""
        for place in self._places.values():
            for _ in range(500):
                try:
                    place.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    sleep(0.01)
                else:
                    break


def may_have_groups() -> bool:
    """Whether groups may be made here."""
    try:
        group = Group(f"genai-cost-{os.getpid()}")
    except OSError:
        return False
    group.remove()
    return True
