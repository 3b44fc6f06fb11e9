"""A ledger's rounds beside its receiver: what has come is booked, whatever else goes wrong; how far behind it is."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Final

from otel_genai_cost.errors import GenAICostError, LedgerLockedError
from otel_genai_cost.intake.booked_figures import BookedFigures
from otel_genai_cost.intake.replica import RefusedError
from otel_genai_cost.journal.ingested import marked_bytes
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped
from otel_genai_cost.ledger.lag import Lag
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.transport.exposition import family

__all__ = ["Shipping", "booked_bytes"]

_logger = logging.getLogger("otel_genai_cost")

_AGAIN_S: Final = 1.0
_AFTER_ERROR_S: Final = 5.0

Follow = Callable[[Event, Callable[[Shipped], None]], object]
"""Ships round after round until the event, and says what each did."""


def booked_bytes(home: Path, segment: Path) -> int | None:
    """How long a segment was that a ledger has whole, whether its file is still there or not; None if it has not.

    Args:
        home: the ledger's folder.
        segment: the file.

    Raises:
        RefusedError: if the ledger cannot be read just now.
    """
    marked = marked_bytes(segment)
    if marked is not None or not (home / LEDGER_FILE).exists():
        return marked
    try:
        with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
            cursor = ledger.cursors.of(str(segment))
            return cursor.byte_offset if cursor.finished else None
    except (GenAICostError, sqlite3.Error) as error:
        raise RefusedError("BUSY", f"the ledger does not say what it has: {error}") from None


class Shipping:
    """A thread that ships, and ships again whatever it raises: a full disk, or a report that has the ledger just now.

    Args:
        home: the ledger's folder.
        journals: that feed it.
        follow: the rounds.
    """

    def __init__(self, home: Path, journals: Sequence[Path], follow: Follow) -> None:
        self._home, self._follow = home, follow
        self._stop = Event()
        self._thread = Thread(target=self._run, name="genai-cost-ship", daemon=True)
        self._round_s = self._fed_s = time.monotonic()
        self._failures, self._done = 0, Shipped()
        self._booked = BookedFigures(home)
        self._lag = Lag(journals, lambda: time.time_ns() // 1000)

    def start(self) -> None:
        """Begin."""
        self._booked.begin()
        self._thread.start()

    def stop(self, grace_s: float) -> bool:
        """End after the round that is going on; whether it has ended within the grace."""
        self._stop.set()
        self._thread.join(grace_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow(self._stop, self._note)
            except LedgerLockedError as error:
                _logger.info("waiting for the ledger: %s", error)
                self._stop.wait(_AGAIN_S)
            except (GenAICostError, OSError, sqlite3.Error) as error:
                self._failures += 1
                _logger.error(
                    "nothing is booked at the moment: %s; what comes is kept meanwhile, and this is tried again",
                    " | ".join(str(error).splitlines()),
                )
                self._stop.wait(_AFTER_ERROR_S)

    def _note(self, done: Shipped) -> None:
        self._round_s = time.monotonic()
        self._done = done
        self._booked.look(done)
        if not done.unfed:
            self._fed_s = self._round_s

    def figures(self) -> Iterator[str]:
        """How far the books are behind, as text for Prometheus."""
        now_s, now_us, done = time.monotonic(), time.time_ns() // 1000, self._done
        oldest_us = now_us if done.oldest_us is None else done.oldest_us
        for name, help_, value in (
            ("ledger_round_age_seconds", "Since the last round was made.", now_s - self._round_s),
            ("ledger_failures_total", "Rounds that could not be made.", self._failures),
            ("ledger_unsettled", "Observations that are not settled yet.", done.waiting),
            (
                "ledger_oldest_seconds",
                "Since the oldest of their calls ended.",
                _seconds(now_us - oldest_us),
            ),
            ("ledger_sinks_age_seconds", "Since all sinks had all there was.", now_s - self._fed_s),
            ("ledger_sinks_lag_entries", "What the last of them lacks.", done.unfed_entries),
            ("ledger_unread", "Segments and folders that could not be read.", done.unread),
        ):
            yield from family(name, help_, {"": value})
        yield from self._booked.figures()
        yield from self._lagging()

    def _lagging(self) -> Iterator[str]:
        """Since when something that has come is not booked, settled or not."""
        if not (self._home / LEDGER_FILE).exists():
            return
        try:
            with closing(Ledger(self._home / LEDGER_FILE, readonly=True)) as ledger:
                self._lag.look(ledger)
        except (GenAICostError, sqlite3.Error) as error:
            _logger.warning("the ledger says nothing of itself: %s", error)
            return
        help_ = "How long the oldest that has come has not been booked."
        yield from family("ledger_lag_seconds", help_, {"": _seconds(self._lag.now_us)})


def _seconds(us: int) -> float:
    return max(0, us) / 1_000_000
