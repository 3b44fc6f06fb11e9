"""What is killed: a process that queues notices as one that books does, and one that delivers by a faster clock.

python -m tests.faults.alerts_program queue HOME FIRST LAST
python -m tests.faults.alerts_program serve HOME FACTOR BEGUN_US
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from otel_genai_cost.alerts.serving import serve
from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice

START_US: Final = 1_795_000_000_000_000
_BATCH: Final = 20


def notice(n: int) -> Notice:
    """The notice of that number."""
    facts = {"budget": "b", "thresholds": [80], "percent": 80, "period_to_us": 1 << 61}
    return Notice("crossed", f"b|{n}|80|up|1", f"t{n % 50}", "team", START_US, facts)


def queue(home: Path, first: int, last: int) -> None:
    """Queue the notices from first to last, each batch and how far it is in one transaction."""
    with writer_lock(home):
        ledger = Ledger(home / LEDGER_FILE)
        done = int(ledger.noted("queued") or first - 1)
        while done < last:
            with ledger.transaction():
                upto = min(done + _BATCH, last)
                for n in range(done + 1, upto + 1):
                    ledger.notices.queue(notice(n))
                ledger.note("queued", str(upto))
            done = upto
            time.sleep(0.01)  # so that a kill finds it at work
        ledger.close()


def main() -> None:
    """Do what the command line says."""
    what, home, *numbers = sys.argv[1:]
    if what == "queue":
        queue(Path(home), int(numbers[0]), int(numbers[1]))
    else:
        begun_us, factor = int(numbers[1]), int(numbers[0])
        serve(
            Path(home),
            clock_us=lambda: START_US + (time.time_ns() // 1000 - begun_us) * factor,
        )


if __name__ == "__main__":
    main()
