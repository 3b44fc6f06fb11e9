"""Sending usage to billing systems: one round, or one after the other until a signal; one process for a ledger."""

from __future__ import annotations

import logging
import signal
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from otel_genai_cost.billing.counting import count
from otel_genai_cost.billing.customers import Customers
from otel_genai_cost.billing.delivery import Delivered, Deliverer
from otel_genai_cost.billing.destination import Destination, key_of
from otel_genai_cost.billing.making import make_events
from otel_genai_cost.billing.opening import billing_lock, connect
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.vendor import VendorType, vendor_type
from otel_genai_cost.errors import ConfigurationError, LedgerError, fence
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.keeping import now_us
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import NOT_REGISTERED, Directory

__all__ = ["Round", "follow", "run"]

_logger = logging.getLogger("otel_genai_cost")

_POLL_S: Final = 5.0


class Round(NamedTuple):
    """What a round of a destination came to: up to which entry, events made, what came of sending, and how many events
    it leaves that were not taken, by this round or those before."""

    destination: str
    seq: int = 0
    made: int = 0
    sent: Delivered = Delivered()
    error: str = ""
    left: int = 0


class Sending:
    """What sends to one destination: each has its own connection and its own thread.

    Args:
        home: the ledger's folder.
        destination: where to.
        directory: who the tenants are.
        clock_us: the time, unix microseconds.
        kinds: finds a vendor.
        writing: held while something is written to the outbox.
    """

    def __init__(
        self,
        home: Path,
        destination: Destination,
        directory: Callable[[], Directory],
        clock_us: Callable[[], int],
        kinds: Callable[[str], VendorType],
        writing: threading.Lock,
    ) -> None:
        kind = kinds(destination.vendor)
        self._home, self._destination, self._directory = home, destination, directory
        self._clock_us, self._rules = clock_us, destination.rules(kind.rules)
        self._vendor = kind(destination.settings, key_of(destination))
        self._db = connect(home)
        self._outbox = Outbox(self._db, destination.name, writing)
        self._deliverer = Deliverer(
            self._outbox, self._vendor, self._rules, destination.name, clock_us
        )

    def round(self, is_over: Callable[[], bool] = lambda: False) -> Round:
        """Count, make events, and send what is due."""
        name = self._destination.name
        try:
            now = self._clock_us()
            customers = Customers(self._destination, self._directory())
            with closing(Ledger(self._home / LEDGER_FILE, readonly=True)) as ledger:
                seq = count(ledger, self._destination, customers, self._outbox, now)
            made = make_events(self._destination, self._rules, customers, self._outbox, seq, now)
            sent = self._deliverer.round(is_over)
            return Round(name, seq, made, sent, left=self._outbox.not_taken())
        except (LedgerError, ConfigurationError, sqlite3.Error) as error:
            _logger.error("%s: %s", name, error)
            return Round(name, error=str(error))

    def close(self) -> None:
        """Let go of the connections."""
        with fence("billing.close"):
            self._vendor.close()
        self._db.close()


@contextmanager
def _opened(
    home: Path,
    destinations: Sequence[Destination],
    directory: Callable[[], Directory],
    clock_us: Callable[[], int],
    kinds: Callable[[str], VendorType],
) -> Generator[list[Sending], None, None]:
    """What sends to each destination, in the one process that does, until the end of the block."""
    writing = threading.Lock()
    with billing_lock(home), ExitStack() as opened:
        yield [
            opened.enter_context(closing(Sending(home, one, directory, clock_us, kinds, writing)))
            for one in destinations
        ]


def run(
    home: Path,
    destinations: Sequence[Destination],
    *,
    directory: Callable[[], Directory] = lambda: NOT_REGISTERED,
    clock_us: Callable[[], int] = now_us,
    kinds: Callable[[str], VendorType] = vendor_type,
) -> list[Round]:
    """One round of every destination.

    Args:
        home: the ledger's folder.
        destinations: where to.
        directory: who the tenants are.
        clock_us: the time, unix microseconds.
        kinds: finds a vendor.

    Returns:
        What each came to.

    Raises:
        ConfigurationError: if a destination cannot be used.
        MissingExtraError: if a library of one is not installed.
        LedgerError: if there is no ledger, or the outbox cannot be opened.
        LedgerLockedError: if another process sends.
    """
    with (
        _opened(home, destinations, directory, clock_us, kinds) as sending,
        ThreadPoolExecutor(len(sending) or 1, "genai-cost-billing") as threads,
    ):
        return list(threads.map(Sending.round, sending))


def follow(
    home: Path,
    destinations: Sequence[Destination],
    *,
    directory: Callable[[], Directory] = lambda: NOT_REGISTERED,
    clock_us: Callable[[], int] = now_us,
    kinds: Callable[[str], VendorType] = vendor_type,
    report: Callable[[Round], None] = lambda done: None,
    poll_s: float = _POLL_S,
) -> None:
    """Send until SIGTERM or SIGINT; no destination waits for another. Must run in the main thread.

    Args:
        home: the ledger's folder.
        destinations: where to.
        directory: who the tenants are.
        clock_us: the time, unix microseconds.
        kinds: finds a vendor.
        report: is given every round that did something.
        poll_s: how long a destination rests after a round.

    Raises:
        ConfigurationError, MissingExtraError, LedgerError, LedgerLockedError: as `run`.
    """
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    with _opened(home, destinations, directory, clock_us, kinds) as sending:
        before = [signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)]
        try:
            with ThreadPoolExecutor(len(sending) or 1, "genai-cost-billing") as threads:
                for one in sending:
                    threads.submit(_rounds, one, stop, report, poll_s)
                stop.wait()
        finally:
            stop.set()
            for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
                signal.signal(number, handler)


def _rounds(
    one: Sending, stop: threading.Event, report: Callable[[Round], None], poll_s: float
) -> None:
    while not stop.is_set():
        with fence("billing.round"):
            done = one.round(stop.is_set)
            if done.made or any(done.sent) or done.error:
                report(done)
        stop.wait(poll_s)
