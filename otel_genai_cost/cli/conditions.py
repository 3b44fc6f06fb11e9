"""What the page of the metering's health asks: the functions of `coverage`, `sinks list` and `doctor`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from threading import Lock
from typing import Final

from otel_genai_cost.cli.coverage import found_in, rows_of
from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.sinks.list import records_of
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.intake.unshipped import Counting, unbooked
from otel_genai_cost.journal.receiving import with_senders
from otel_genai_cost.ledger.lag import Lag
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.counted import Counted
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pages.conditions import Behind, Conditions, Finding
from otel_genai_cost.pages.recent import Recent
from otel_genai_cost.reports.selection import Selection

__all__ = ["conditions"]

_DOCTOR_S: Final = 300.0
_COMMAND: Final = "from otel_genai_cost.cli import main; main()"


def conditions(home: Home) -> Conditions:
    """How the metering of a ledger is.

    Args:
        home: where it is.
    """
    findings = Recent(partial(_findings, home), _DOCTOR_S)
    findings.get()
    return Conditions(
        coverage=partial(_coverage, home, Counted()),
        copies=partial(records_of, home),
        findings=findings.get,
        behind=_Behind(home).look,
    )


def _coverage(
    home: Home, counted: Counted, ledger: Ledger, store: Queryable, selection: Selection
) -> Sequence[tuple[str, str, str]]:
    return rows_of(found_in(home, ledger, selection, store, counted))


def _findings(home: Home) -> Sequence[Finding]:
    """Of a process of its own: it reads every journal, which would take the time of those who look at pages."""
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, "doctor", "--json", "--ledger", str(home.folder)],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if not rows:
        raise GenAICostError(f"doctor said nothing: {done.stderr.decode('utf-8', 'replace')}")
    return [Finding(one["name"], one["state"], one["found"], one["remedy"]) for one in rows]


class _Behind:
    """Keeps what was counted of the journals; for any thread."""

    def __init__(self, home: Home) -> None:
        self._lag = Lag(home.journals, lambda: time.time_ns() // 1000)
        self._counting = Counting()
        self._journals = home.journals
        self._lock = Lock()

    def look(self, ledger: Ledger) -> Behind:
        """How far the books are behind.

        Args:
            ledger: it.
        """
        with self._lock:
            self._lag.look(ledger)
            waiting = self._counting.of(unbooked(ledger, with_senders(self._journals)))
            lag_us = self._lag.now_us
        unsettled, oldest_us = ledger.observations.unsettled()
        return Behind(lag_us, waiting, unsettled, oldest_us)
