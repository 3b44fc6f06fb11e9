"""What is killed: a process that sends usage to billing systems, by a faster clock. It is begun again after each kill.

python -m tests.faults.billing_program HOME FACTOR BEGUN_US KILLS SEED
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path

from otel_genai_cost.billing.file import destinations_in
from otel_genai_cost.billing.serving import follow

_AT_WORK_S = 0.5
"""Of work, not of time: whoever else is busy, a process that is killed had begun."""

_LATEST_S = 20.0


def main() -> None:
    """Begin a process and kill it, as often as is said; then say how many of them were at work."""
    home, numbers = Path(sys.argv[1]), list(map(int, sys.argv[2:]))
    factor, begun_us, kills, seed = numbers
    logging.disable()
    chance = random.Random(seed)
    destinations_in(home / "billing.toml")  # every library is loaded once, before the first fork
    for _ in range(kills):
        child = os.fork()
        if not child:
            _send(home, factor, begun_us)
        _wait_for_work(child, chance.uniform(0.01, _AT_WORK_S))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"it ended by itself: {status}"
    print(json.dumps({"kills": kills}))


def _wait_for_work(child: int, work_s: float) -> None:
    until_s = time.monotonic() + _LATEST_S
    while time.monotonic() < until_s:
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        if (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") >= work_s:
            return
        time.sleep(0.01)


def _send(home: Path, factor: int, begun_us: int) -> None:
    follow(
        home,
        destinations_in(home / "billing.toml"),
        clock_us=lambda: begun_us + (time.time_ns() // 1000 - begun_us) * factor,
        poll_s=0.02,
    )
    os._exit(3)


if __name__ == "__main__":
    main()
