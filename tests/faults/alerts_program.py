"""What is killed: a process that ships, settling everything at once, and one that delivers by a faster clock.

python -m tests.faults.alerts_program ship HOME
python -m tests.faults.alerts_program serve HOME FACTOR BEGUN_US
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from otel_genai_cost.alerts.serving import serve
from otel_genai_cost.ledger.daemon import ship


def main() -> None:
    """Do what the command line says."""
    what, folder, *numbers = sys.argv[1:]
    home = Path(folder)
    if what == "ship":
        ship(home, [home / "journal"], drain=True, follow=True)
    else:
        factor, begun_us = map(int, numbers)
        serve(home, clock_us=lambda: begun_us + (time.time_ns() // 1000 - begun_us) * factor)


if __name__ == "__main__":
    main()
