"""Notices through crashes: whoever books and whoever delivers is killed, the receiver fails every fifth time, and each
crossing arrives, under one id; and how soon one arrives if nobody is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import budget_record
from otel_genai_cost.limits.notice import notice_id
from tests.alerts.receiver import Answer, Came, Receiver, receiving
from tests.faults.row import Row
from tests.ledger.build import observe, tenant
from tests.limits.build import budget

__all__ = ["rows"]

_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_PROGRAM: Final = str(Path(sys.executable).with_name("genai-cost"))
_FACTOR: Final = 2_000
"""By how much the delivering process's clock is faster: two hours are 3.6 seconds."""

_AT_WORK_S: Final = 10.0
"""Within which a process that was begun is at work, and is killed in the midst of it."""

_LATEST_S: Final = 15.0


def rows(short: bool) -> Iterator[Row]:
    """The rows of this room.

    Args:
        short: whether a small part of it will do.
    """
    yield _killed(*((300, 8) if short else (10_000, 100)))
    yield _in_time(*((10, 4.0) if short else (400, 40.0)))


class _Failing:
    """Takes what comes, but for every fifth request."""

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


def _killed(tenants: int, kills: int) -> Row:
    """Each tenant makes one call, which is dearer than the budget that each has; shipper and deliverer are killed while
    they are at work."""
    begun_s, failing, draw = time.monotonic(), _Failing(), random.Random(26)
    with tempfile.TemporaryDirectory() as folder, receiving(failing.answer) as receiver:
        home = Path(folder)
        _set_up(home, receiver)
        shipping = (sys.executable, "-m", "tests.faults.alerts_program", "ship", folder)
        begun_us = str(time.time_ns() // 1000)
        serving = (*shipping[:3], "serve", folder, str(_FACTOR), begun_us)
        killed = called = 0
        while killed < kills:
            upto = min(tenants, called + 2 * tenants // kills + 1)
            _call(home, range(called + 1, upto + 1))
            called = upto
            processes = [_begin(shipping), _begin(serving)]
            _wait(_requests(failing, draw.randint(1, 2 * tenants // kills)), _AT_WORK_S)
            time.sleep(draw.uniform(0, 0.05))
            for process in draw.sample(processes, 2):
                killed += process.poll() is None
                process.kill()
                process.wait()
        before = len(failing.taken)
        last = [_begin(shipping), _begin(serving)]
        _wait(lambda: _states(home) == {"delivered": tenants}, 600)
        for process in last:
            process.terminate()
            process.wait(60)
        states, wanted = _states(home), _ids(home)
    twice = sum(count > 1 for count in failing.taken.values())
    return Row(
        f"notices: {tenants:,} crossings, {killed} SIGKILLs, every fifth request fails",
        "each delivered, none twice by id",
        f"{len(failing.taken):,} ids came, {len(failing.taken.keys() ^ wanted)} others than were crossed, {before:,} "
        f"of them before the last kill; {failing.failures:,} failures; {twice} came again under their id; {states}",
        failing.taken.keys() == wanted
        and len(wanted) == tenants
        and states == {"delivered": tenants},
        time.monotonic() - begun_s,
    )


def _requests(failing: _Failing, more: int) -> Callable[[], bool]:
    enough = failing.requests + more
    return lambda: failing.requests >= enough


def _in_time(calls: int, within_s: float) -> Row:
    """How long after the end of a call, which is its tenant's first and crosses, the notice of that comes."""
    begun_s = time.monotonic()
    ended_s: dict[str, float] = {}
    came_s: dict[str, float] = {}

    def note(came: Came) -> Answer:
        came_s.setdefault(came.id, time.time())
        return 204, {}

    with tempfile.TemporaryDirectory() as folder, receiving(note) as receiver:
        home = Path(folder)
        _set_up(home, receiver)
        arguments = ("--ledger", folder)
        processes = [
            _begin((_PROGRAM, "ship", "--follow", *arguments)),
            _begin((_PROGRAM, "alerts", "serve", *arguments)),
        ]
        journal = Journal([home / "journal"])
        for n in range(1, calls + 1):
            time.sleep(within_s / calls)
            ended_s[f"t{n}"] = time.time()
            journal.append(to_record(_observed(n, round(ended_s[f"t{n}"] * 1_000_000))))
        _wait(lambda: len(came_s) == calls, 120)
        journal.close()
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        whose = _whose(home)
    took = sorted(at_s - ended_s[whose[one]] for one, at_s in came_s.items())
    p50, p99 = took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)]
    return Row(
        f"notices: a call's end to its notice received, {calls} calls",
        f"p99 within {_LATEST_S:g} s",
        f"p50 {p50:.1f} s, p99 {p99:.1f} s, {len(took)} of {calls}",
        p99 <= _LATEST_S and len(took) == calls,
        time.monotonic() - begun_s,
    )


def _begin(command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _set_up(home: Path, receiver: Receiver) -> None:
    """A channel, and a budget of a millionth for each tenant, without end."""
    channel = {"type": "channel_set", "name": "ops", "at_us": 1, "kind": "webhook"}
    settings = {"url": receiver.url, "secrets": [_SECRET]}
    decide(home, {**channel, "audience": "team", "settings": settings})
    each = budget(scope={"tenant": "*"}, period="total", hard="0.000001", recorded_at_us=1)
    decide(home, {"type": BUDGET, **budget_record(each)})
    ship(home, [])


def _call(home: Path, tenants: range) -> None:
    journal = Journal([home / "journal"])
    for n in tenants:
        journal.append(to_record(_observed(n, time.time_ns() // 1000)))
    journal.close()


def _observed(n: int, end_us: int) -> Observation:
    one = observe(n, trace=n, attribution=tenant(f"t{n}"))
    return one._replace(start_us=end_us - 1_000_000, end_us=end_us)


def _states(home: Path) -> dict[str, int]:
    opened = Ledger(home / LEDGER_FILE, readonly=True)
    try:
        return opened.notices.counts().get("ops", {})
    finally:
        opened.close()


def _ids(home: Path) -> set[str]:
    """The ids under which the crossings that there are go by the channel."""
    return set(_whose(home))


def _whose(home: Path) -> dict[str, str]:
    """The tenant that each id is about."""
    opened = Ledger(home / LEDGER_FILE, readonly=True)
    try:
        return {
            notice_id(one.notice.key, "ops"): one.notice.tenant or ""
            for one in opened.notices.since(0, "team", limit=-1)
        }
    finally:
        opened.close()


def _wait(holds: Callable[[], bool], within_s: float) -> None:
    end_s = time.monotonic() + within_s
    while not holds() and time.monotonic() < end_s:
        time.sleep(0.01)
