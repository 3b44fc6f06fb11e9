"""What is killed: a process that sends usage to billing systems. It is begun again after each kill; a clock in a file
goes on by each, so that nothing depends on how busy the machine is.

python -m tests.faults.billing_program HOME KILLS SEED
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

from otel_genai_cost.billing.destination import key_of
from otel_genai_cost.billing.file import destinations_in
from otel_genai_cost.billing.serving import follow
from otel_genai_cost.billing.vendor import vendor_type
from otel_genai_cost.whole_files import replace_file

_AT_WORK_S = 0.6
"""Of work, not of time: whoever else is busy, a process that is killed had begun."""

_LATEST_S = 20.0
_BETWEEN_US = 360_000_000
"""From one kill to the next."""


class FileClock:
    """A clock that stands in a file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> int:
        """Unix microseconds."""
        return int(self._path.read_text())

    def advance(self, us: int) -> None:
        """Move it."""
        replace_file(self._path, str(self() + us).encode())


def main() -> None:
    """Begin a process and kill it, as often as is said; then say how many of them were at work."""
    home, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    logging.disable()
    chance = random.Random(seed)
    for one in destinations_in(
        home / "billing.toml"
    ):  # what takes long is loaded before the first fork
        with closing(vendor_type(one.vendor)(one.settings, key_of(one))) as vendor:
            vendor.send([])
    for _ in range(kills):
        child = os.fork()
        if not child:
            _send(home)
        _wait_for_work(child, chance.uniform(0.01, _AT_WORK_S))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"it ended by itself: {status}"
        FileClock(home / "clock").advance(_BETWEEN_US)
    print(json.dumps({"kills": kills}))


def _wait_for_work(child: int, work_s: float) -> None:
    until_s = time.monotonic() + _LATEST_S
    while time.monotonic() < until_s:
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        if (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") >= work_s:
            return
        time.sleep(0.01)


def _send(home: Path) -> None:
    follow(
        home,
        destinations_in(home / "billing.toml"),
        clock_us=FileClock(home / "clock"),
        poll_s=0.02,
    )
    os._exit(3)


if __name__ == "__main__":
    main()
