"""Notices through crashes: whoever books and whoever delivers is killed, the receiver fails every fifth time, and each
notice arrives, under one id."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import notice_id
from tests.alerts.receiver import Answer, Came, Receiver, receiving
from tests.faults.alerts_program import notice
from tests.faults.row import Row

__all__ = ["rows"]

_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_FACTOR: Final = 2_000
"""By how much the delivering process's clock is faster: two hours are 3.6 seconds."""

_EACH_S: Final = (0.8, 2.6)
"""How long a process lives before it is killed; an interpreter takes a part of it to begin."""


class _Failing:
    """Takes what comes, but for every fifth request, of which one half was taken all the same: the answer was lost."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.requests = self.failures = 0
        self._lock = threading.Lock()

    def answer(self, came: Came) -> Answer:
        with self._lock:
            self.requests += 1
            if self.requests % 5 == 0:
                self.failures += 1
                return 500, {}
            self.taken[came.id] += 1
            return 204, {}


def rows(short: bool) -> Iterator[Row]:
    """The rows of this room.

    Args:
        short: whether a small part of it will do.
    """
    yield _killed(300 if short else 10_000, 8 if short else 100)


def _killed(notices: int, kills: int) -> Row:
    begun_s = time.monotonic()
    failing, random_ = _Failing(), random.Random(26)
    with tempfile.TemporaryDirectory() as folder, receiving(failing.answer) as receiver:
        home = Path(folder)
        _set_channel(home, receiver)
        base_us = time.time_ns() // 1000
        deliver = ("serve", str(home), str(_FACTOR), str(base_us))
        book = ("queue", str(home), "1", str(notices))
        killed = 0
        while killed < kills:
            processes = [_begin(*book), _begin(*deliver)]
            time.sleep(random_.uniform(*_EACH_S))
            for process in random_.sample(processes, 2):
                killed += process.poll() is None
                process.kill()
                process.wait()
        before = len(failing.taken)
        _begin(*book).wait()
        last = _begin(*deliver)
        wanted = {notice_id(notice(n).key, "ops") for n in range(1, notices + 1)}
        _wait(lambda: failing.taken.keys() >= wanted and not _left(home), 600)
        last.send_signal(signal.SIGTERM)
        last.wait(60)
        states = _states(home)
    twice = sum(count > 1 for count in failing.taken.values())
    held = failing.taken.keys() == wanted and states == {"delivered": notices}
    return Row(
        f"notices: {notices:,} through {killed} SIGKILLs, every fifth request fails",
        "each delivered, none under two ids",
        f"{len(failing.taken):,} ids of {notices:,}, {len(failing.taken.keys() - wanted)} unknown; {before:,} came "
        f"before the last kill; {failing.failures:,} failures; {twice} came twice under their one id; {dict(states)}",
        held,
        time.monotonic() - begun_s,
    )


def _begin(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.alerts_program", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _set_channel(home: Path, receiver: Receiver) -> None:
    channel = {"type": "channel_set", "name": "ops", "at_us": 1, "kind": "webhook"}
    settings = {"url": receiver.url, "secrets": [_SECRET]}
    decide(home, {**channel, "audience": "team", "settings": settings})
    ship(home, [])


def _left(home: Path) -> bool:
    """Whether anything is not delivered yet."""
    return set(_states(home)) != {"delivered"}


def _states(home: Path) -> dict[str, int]:
    opened = Ledger(home / LEDGER_FILE, readonly=True)
    try:
        return opened.notices.counts().get("ops", {})
    finally:
        opened.close()


def _wait(holds: Any, within_s: float) -> None:
    end_s = time.monotonic() + within_s
    while not holds() and time.monotonic() < end_s:
        time.sleep(0.2)
